"""Commands that are killed at random moments and started again, as often as it takes."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUT = "run"  # the commands' folder of results, within the one that they run in
_LONGEST_S = 240.0  # of one life
_ORPHANED_S = 20.0  # that children may outlive their parent
_ROUGHLY_LOADED_S = 4.0  # a fresh interpreter, until it works
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


@dataclass(frozen=True)
class Command:
    """A long command in small.

    Attributes:
        start: Does the work in `OUT` of the current folder, or goes on with what is there, with so
            many workers; a function at the top level of a module.
        saved: How much of the work the folder holds, in the units that a kill may cost.
        read: Reads all that is there, and raises if something cannot be read.
        exact: Whether a path is of a file that kills do not change by a byte.
        workers: Numbers of workers, of which each life draws one.
    """

    start: Callable[[int], None]
    saved: Callable[[Path], int]
    read: Callable[[Path], None]
    exact: Callable[[str], bool]
    workers: tuple[int, ...] = (*[1] * 9, 2)


@dataclass
class Tally:
    """What has happened to a command.

    Attributes:
        stops: Lives that a signal ended, by the moment that was chosen.
        whole_s: Time that the command takes if nobody stops it.
        finished: How often the work was finished nevertheless.
        unsaved_s: The longest time, at a kill, since something was saved or the life began.
        orphans_s: The longest time that children outlived their parent.
    """

    whole_s: float = 0.0
    stops: dict[str, int] = field(default_factory=dict)
    finished: int = 0
    unsaved_s: float = 0.0
    orphans_s: float = 0.0


class Life:
    """One process of a command, in a session of its own, which its children belong to.

    Args:
        work: The command; it can be pickled.
        folder: Current folder of the process.
        operation: Which change of a file in `OUT` it dies at, by its own hand; 0 for none. A file
            that is being written is left half-written.
        fresh: Whether it starts as from a command line; otherwise it is a fork of a process that
            has loaded the package, which takes milliseconds.
    """

    def __init__(
        self, work: Callable[[], None], folder: Path, operation: int = 0, fresh: bool = False
    ) -> None:
        self._log = folder / "log.txt"
        self._log.write_bytes(b"")
        self._began = time.time()
        self._process: Any
        if fresh:
            code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))()"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", code, pickle.dumps(work).hex()],
                    cwd=folder,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        else:
            arguments = work, folder, self._log, operation
            self._process = _server().Process(target=_live, args=arguments)
            self._process.start()
        self.pid = int(self._process.pid)

    def wait(self, timeout_s: float = _LONGEST_S) -> int | None:
        """Its exit status, once it has ended; None if it has not."""
        if isinstance(self._process, subprocess.Popen):
            try:
                return self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return None
        self._process.join(timeout_s)
        return self._process.exitcode

    def stop(self, number: int, group: bool) -> None:
        """Sends a signal to the process or to all of its session."""
        with suppress(ProcessLookupError):  # it has ended, or is not yet a group
            (os.killpg if group else os.kill)(self.pid, number)

    def said(self) -> str:
        """Its standard output and errors."""
        return self._log.read_text(errors="replace")

    def orphans_s(self) -> float:
        """How long it takes until nobody of its session is left."""
        began = time.monotonic()
        while left := session(self.pid):
            assert time.monotonic() - began < _ORPHANED_S, left
            time.sleep(0.01)
        return time.monotonic() - began


@functools.cache
def _server() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.warm"])
    first = context.Process(target=os.getcwd)  # the clock runs from the next one on
    first.start()
    first.join()
    return context


def _live(work: Callable[[], None], folder: Path, log: Path, operation: int) -> None:
    os.setsid()
    os.chdir(folder)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    if operation:
        _die_at(operation, str(folder / OUT))
    work()


def _die_at(operation: int, below: str) -> None:
    """Ends this process by SIGKILL just before it changes a file for the so-manieth time."""
    left = operation

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if left <= 0 or not (event in _CHANGES or (event == "open" and _writes(arguments))):
            return
        if not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if not path.startswith(below):
            return
        left -= 1
        if left == 0:
            _tear(event, path, arguments)
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(listen)


def _writes(arguments: tuple[Any, ...]) -> bool:
    return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _tear(event: str, path: str, arguments: tuple[Any, ...]) -> None:
    """Leaves what a kill in the middle of a write leaves, which no moment between two calls has."""
    if event == "os.rename" and os.path.isfile(path):
        os.truncate(path, os.path.getsize(path) // 2)
    elif event == "open" and arguments[1] == "r+b":
        with open(path, "ab") as journal:
            journal.write(b'{"')


def session(pid: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(of) == pid and state != "Z":
            found.append(int(entry.name))
    return found


def finish(command: Command, folder: Path, workers: int = 1) -> str:
    """Has a command work to its end, and returns what it said."""
    life = Life(functools.partial(command.start, workers), folder)
    status = life.wait()
    assert status == 0, (status, life.said())
    return life.said()


def stop_often(
    command: Command,
    folder: Path,
    stops: int,
    number: int = signal.SIGKILL,
    seed: int = 0,
) -> Tally:
    """Stops a command again and again, and checks after every time what it has left.

    Whenever the work is finished, the files are compared with those of a run that nobody stopped,
    and it begins anew.

    Args:
        command: The command.
        folder: An empty folder to work in.
        stops: How often; those count that met a process at work.
        number: The signal.
        seed: Of the moments.
    """
    rng, tally, latest = random.Random(seed), Tally(), 0
    whole, run = folder / "whole", folder / "stopped"
    whole.mkdir()
    _server()
    began = time.monotonic()
    finish(command, whole)
    tally.whole_s = time.monotonic() - began
    while True:
        if not run.exists():
            run.mkdir()
            latest = 0
        over = sum(tally.stops.values()) >= stops
        if over:
            finish(command, run)
        elif _stopped(command, run, number, rng, tally):
            now = check(command, run)
            assert now >= latest, (now, latest)
            latest = now
            continue
        tally.finished += 1
        compare(command, whole, run)
        shutil.rmtree(run)
        if over:
            return tally


def _stopped(command: Command, run: Path, number: int, rng: random.Random, tally: Tally) -> bool:
    """One life; whether the signal met it at work."""
    work = functools.partial(command.start, rng.choice(command.workers))
    moment = rng.choices(("in a fresh process", "any time", "at a write"), (1, 8, 11))[0]
    if number != signal.SIGKILL and moment == "at a write":
        moment = "any time"
    operation = int(rng.expovariate(1.0 / 16.0)) + 1 if moment == "at a write" else 0
    fresh = moment == "in a fresh process"
    span_s = tally.whole_s / 3.0 + (_ROUGHLY_LOADED_S if fresh else 0.0)
    life = Life(work, run, operation, fresh)
    began = time.time()
    status = life.wait(_LONGEST_S if operation else rng.uniform(0.0, span_s))
    if status is None:
        unsaved_s = time.time() - max([began, *_saved_at(run)])
        life.stop(number, group=rng.random() < 0.5)
        status = life.wait()
    else:
        unsaved_s = 0.0
    tally.orphans_s = max(tally.orphans_s, life.orphans_s())
    said = life.said()
    if status == 0:
        assert "Traceback" not in said, said
        return False
    if number == signal.SIGKILL:
        assert status == -signal.SIGKILL, (status, said)
    elif status != -number:  # before anybody heard it
        assert status == 128 + number, (status, said)
        assert "Traceback" not in said, said
        assert "\nInterrupted. " in said, said
    tally.stops[moment] = tally.stops.get(moment, 0) + 1
    tally.unsaved_s = max(tally.unsaved_s, unsaved_s)
    return True


def _saved_at(run: Path) -> list[float]:
    """When the files of results were written."""
    return [path.stat().st_mtime for path in _files(run / OUT)]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def check(command: Command, run: Path) -> int:
    """Reads a copy of what is there, since readers mend what is torn, and says how much it is."""
    with_copy = run.with_name("copy")
    if (run / OUT).exists():
        shutil.copytree(run / OUT, with_copy / OUT)
        command.read(with_copy / OUT)
        saved = command.saved(with_copy / OUT)
        shutil.rmtree(with_copy)
        return saved
    return 0


def compare(command: Command, whole: Path, run: Path) -> None:
    """Checks that the results in a folder are those of a run that nobody stopped."""
    command.read(run / OUT)
    of = [
        {path.relative_to(folder / OUT).as_posix(): path for path in _files(folder / OUT)}
        for folder in (whole, run)
    ]
    kept = [{name for name in files if command.exact(name)} for files in of]
    assert not [name for name in of[1] if "/." in f"/{name}"]
    assert kept[0] == kept[1], kept[0] ^ kept[1]
    for name in kept[0]:
        assert of[0][name].read_bytes() == of[1][name].read_bytes(), name
