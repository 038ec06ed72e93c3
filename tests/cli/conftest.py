"""Each file's tests have a network of their own, in a module that is called the same."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def fresh_module() -> Iterator[None]:
    """Nobody meets the module ``own`` that another file's tests have imported."""
    sys.modules.pop("own", None)
    yield
    sys.modules.pop("own", None)
