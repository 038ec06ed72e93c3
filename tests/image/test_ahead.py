"""Reading ahead: in order, a few groups at most, and errors where they belong."""

import time
from collections.abc import Iterator

import pytest

from striate.image.ahead import Ahead, parts


def test_order_does_not_depend_on_who_is_faster() -> None:
    def read(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    with Ahead(read, workers=4) as ahead:
        found = list(ahead.groups(parts(range(10), 4)))
    assert [[item for item, _ in group] for group in found] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9],
    ]  # fmt: skip
    assert [value for group in found for _, value in group] == [k * k for k in range(10)]


def test_only_a_few_groups_are_read_ahead() -> None:
    taken = []

    def groups() -> Iterator[list[int]]:
        for k in range(100):
            taken.append(k)
            yield [k]

    with Ahead(str) as ahead:
        first = next(ahead.groups(groups()))
    assert first == [(0, "0")]
    assert taken == [0, 1, 2, 3]


def test_what_reading_raises_comes_with_its_group() -> None:
    with Ahead(lambda k: 1 // k, workers=2) as ahead:
        found = ahead.groups([[1], [2, 0], [3]])
        assert next(found) == [(1, 1)]
        with pytest.raises(ZeroDivisionError):
            next(found)
