"""How the process ends when threads may still be at work."""

import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process now, whatever its threads do; what was printed is shown.

    Args:
        code: The exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
