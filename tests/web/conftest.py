"""One small atlas for all tests of the server; none of them writes into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from striate.web.app import create_app
from web.labelled import dissected_copy
from web.tiny import build_tiny


@pytest.fixture(scope="session")
def tiny_atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def dissected_atlas(tiny_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, its first layer compared with ``../set``."""
    return dissected_copy(tiny_atlas, tmp_path_factory.mktemp("dissected"))


@pytest.fixture(scope="session")
def dissected_app(dissected_atlas: Path) -> Iterator[FastAPI]:
    """The application of the dissected atlas."""
    app = create_app(dissected_atlas)
    yield app
    app.state.stop()


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
