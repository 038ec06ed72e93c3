"""One small atlas for all tests of the server; none of them writes into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from striate.web.app import create_app
from web.tiny import build_tiny


@pytest.fixture(scope="session")
def tiny_atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_app(tiny_atlas: Path) -> Iterator[FastAPI]:
    """The application without a token."""
    app = create_app(tiny_atlas)
    yield app
    app.state.stop()


@pytest.fixture(scope="session")
def guarded_app(tiny_atlas: Path) -> Iterator[FastAPI]:
    """The application with the token ``secret``."""
    app = create_app(tiny_atlas, token="secret")  # noqa: S106
    yield app
    app.state.stop()
