"""Pictures read in threads, a few groups ahead of who needs them, and in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_AHEAD = 3
"""Groups that are read while one is looked at."""

Item = TypeVar("Item")
Value = TypeVar("Value")


class Ahead(Generic[Item, Value]):
    """Reads in threads; a context manager that ends them.

    Args:
        read: From an item to what is wanted of it; what it raises, `groups` raises.
        workers: Threads; by default one a core, at most 4.

    Example:
        >>> with Ahead(len) as ahead:
        ...     list(ahead.groups([["a", "bc"], [], ["def"]]))
        [[('a', 1), ('bc', 2)], [], [('def', 3)]]
    """

    def __init__(self, read: Callable[[Item], Value], workers: int | None = None) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 4), "striate-read")

    def __enter__(self) -> "Ahead[Item, Value]":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for what is being read; let go what is not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def groups(self, groups: Iterable[Sequence[Item]]) -> Iterator[list[tuple[Item, Value]]]:
        """Yield each group's items with what was read of them.

        Args:
            groups: Taken one by one, a few ahead.
        """
        pending: deque[list[tuple[Item, Future[Value]]]] = deque()
        for group in groups:
            pending.append([(item, self._pool.submit(self._read, item)) for item in group])
            if len(pending) > _AHEAD:
                yield [(item, future.result()) for item, future in pending.popleft()]
        while pending:
            yield [(item, future.result()) for item, future in pending.popleft()]


def parts(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Return items in groups of a size, the last one smaller.

    >>> parts([1, 2, 3, 4, 5], 2)
    [[1, 2], [3, 4], [5]]
    """
    return [items[start : start + size] for start in range(0, len(items), size)]
