"""What every test may use: the ``--slow`` switch and a seeded generator."""

import pytest
import torch

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Weights that nobody seeds are the same in each run: before any fixture makes a network."""
    torch.default_generator.manual_seed(20131112)


@pytest.fixture
def seeded() -> torch.Generator:
    """A generator that is the same in each test."""
    return torch.Generator().manual_seed(20131112)
