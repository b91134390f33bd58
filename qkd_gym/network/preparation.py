"""Who is told how far the preparation of a network is, which takes long for large ones.

Before the first episode on a network its static plan and the candidate paths between all sites are
computed: in a second for 100 sites, in most of a minute for 280. From the fifth second on a bar on
standard error shows how far that is. `report_preparation` puts something else in its place:

    import logging
    from qkd_gym.network import report_preparation

    report_preparation(lambda stage, done, total: logging.info("%s %d of %d", stage, done, total))
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any

Report = Callable[[str, int, int], None]

_PATIENCE_S = 5.0
_LINE_S = 10.0  # between two lines where there is no bar


class _Shown:
    """A bar, or without tqdm a line now and then, on standard error.

    Processes that work for another one are silent: they would write over each other.
    """

    def __init__(self) -> None:
        self._stage = ""
        self._begin_s = self._told_s = 0.0
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if parent_process() is not None:
            return
        now_s = time.monotonic()
        if not self._stage:
            self._begin_s = now_s
        if stage != self._stage:
            self._close()
            self._stage = stage
        if stage and now_s - self._begin_s > _PATIENCE_S:
            self._show(done, total, now_s)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, done: int, total: int, now_s: float) -> None:
        words = f"Preparing a network: {self._stage}"
        try:
            from tqdm import tqdm
        except ImportError:
            if now_s - self._told_s > _LINE_S:
                self._told_s = now_s
                of_all = f" of {total}" if total else ""
                print(f"{words}, {done}{of_all}", file=sys.stderr, flush=True)
            return
        if self._bar is None:
            self._bar = tqdm(
                desc=words,
                total=total or None,
                initial=done,
                unit=" steps",
                mininterval=1.0,
                leave=False,
                file=sys.stderr,
            )
        self._bar.update(done - self._bar.n)


_report: Report | None = _Shown()


def report_preparation(report: Report | None) -> Report | None:
    """Sets who is told, in this process, how far the preparation of a network is.

    Args:
        report: Called with the stage, ``"static plan"`` or ``"candidate paths"``, how much of it is
            done, and of how much, 0 where that is unknown; at the end of a preparation, also one
            that fails, with an empty stage. None tells nobody.

    Returns:
        Who was told before.
    """
    global _report
    before, _report = _report, report
    return before


def tell(stage: str, done: int, total: int) -> None:
    """Passes on how far a stage is, see `report_preparation`."""
    if _report is not None:
        _report(stage, done, total)


@contextmanager
def preparation() -> Iterator[None]:
    """Tells the end, whatever it is."""
    try:
        yield
    finally:
        tell("", 0, 0)
