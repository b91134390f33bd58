"""How every command line of the package ends: one sentence for bad input, a status for scripts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import NoReturn

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.extras import MissingExtra


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which systems and schedulers end a process; it ends work as Ctrl-C does."""


@contextmanager
def exit_status(interrupted: str) -> Iterator[None]:
    """Ends the process with one sentence and a status, whatever stops its work.

    The status is 2 on bad input, where an extra is missing and where a file cannot be read or
    written, 130 on Ctrl-C, and 143 on SIGTERM, which is raised as `Terminated`, so that whatever
    saves or cleans up on Ctrl-C does so then too. Only a program's main thread can hear SIGTERM. It
    is 1 where a child process was killed.

    Args:
        interrupted: What to say after an interruption: how the work goes on.
    """
    try:
        with _sigterm_interrupts():
            yield
    except (InvalidInput, MissingExtra) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:  # no file is to blame, so this is a fault of the program
            raise
        reason = error.strerror or type(error).__name__
        name = error.filename  # bytes if TensorBoard was to write it
        name = os.fsdecode(name) if isinstance(name, bytes) else str(name)
        print(f"error: {shown(name)} cannot be used: {reason}.", file=sys.stderr)
        sys.exit(2)
    except BrokenProcessPool:
        print(
            f"error: a child process was killed, perhaps for lack of memory. {interrupted}",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt as stop:
        print(f"\nInterrupted. {interrupted}", file=sys.stderr)
        sys.exit(128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT))


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Raises `Terminated` on SIGTERM, and puts back what was done on it before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: object) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
