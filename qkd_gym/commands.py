"""How every command line of the package ends: one sentence for bad input, a status for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from qkd_gym.errors import InvalidInput


@contextmanager
def exit_status(interrupted: str) -> Iterator[None]:
    """Ends the process with status 2 on bad input and 130 on Ctrl-C, each with one sentence.

    Args:
        interrupted: What to say after Ctrl-C: how the work goes on.
    """
    try:
        yield
    except InvalidInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\nInterrupted. {interrupted}", file=sys.stderr)
        sys.exit(130)
