"""Keep freed memory in the process while a pass runs.

glibc gives large tensors back to the system after each operation and pays page faults for the next.
Keeping them makes a pass on CPU measurably faster. This is a setting of the whole process, so only
the command line makes it, never the library.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_memory() -> bool:
    """Tell glibc to keep memory; returns whether it took it (False on other systems)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        settings = ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20))
        return all(libc.mallopt(name, value) == 1 for name, value in settings)
    except (OSError, AttributeError):
        return False
