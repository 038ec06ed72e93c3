"""docs/safety.md names tests that exist."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOC = TESTS.parent / "docs" / "safety.md"


def known_tests() -> set[str]:
    files = TESTS.rglob("test_*.py")
    return {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}


def unknown(named: list[str], known: set[str]) -> list[str]:
    """Names and patterns that fit no test."""
    return [name for name in named if not any(fnmatchcase(test, name) for test in known)]


def test_every_test_that_the_page_on_safety_names_is_there() -> None:
    named = re.findall(r"`(test_[\w*]+)`", DOC.read_text())
    assert len(named) > 12
    assert unknown(named, known_tests()) == []


def test_a_name_that_fits_no_test_is_noticed() -> None:
    assert unknown(["test_s1*", "test_s2*"], {"test_s11_x"}) == ["test_s2*"]
