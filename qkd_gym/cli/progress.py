"""How much of a command's work is done."""

from __future__ import annotations

import sys
import time
from typing import Any

from qkd_gym.envs.compilation import announce_compilation


class Progress:
    """A bar, or without tqdm a line now and then, of what is counted, on standard error."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None
        self._told_s = 0.0
        self._begun = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int) -> None:
        """Shows how much is done; the first call is before the work."""
        if not self._begun and done < total:
            announce_compilation()
        self._begun = True
        if done == 0:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            now = time.monotonic()
            if done == total or now - self._told_s > 10.0:
                self._told_s = now
                print(f"{done} of {total} {self._what}", file=sys.stderr, flush=True)
            return
        if self._bar is None:
            # What an earlier run has done does not count for the speed.
            self._bar = tqdm(total=total, initial=done, unit=self._what, file=sys.stderr)
        self._bar.update(done - self._bar.n)
