"""Long commands that are killed, or run out of disk: they lose little, corrupt nothing, go on."""

from __future__ import annotations

import contextlib
import functools
import shutil
import signal
import subprocess
import sys

import pytest

for extra in ("sb3_contrib", "tensorboard", "torch_geometric", "cmaes", "matplotlib"):
    pytest.importorskip(extra)
if not sys.platform.startswith("linux"):
    pytest.skip("processes of a session are found in /proc", allow_module_level=True)

from tests.killing import OUT, Life, check, compare, finish, stop_often  # noqa: E402
from tests.training.small import COMMANDS  # noqa: E402

KILLS = 100  # per command
TERMINATIONS = 10
SMALLEST = 4096  # bytes that a file takes
LARGE = 2**26  # bytes of a disk that is never full; checkpoints take more than results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(params=COMMANDS)
def command(request):
    return COMMANDS[request.param]


def test_however_often_a_command_is_killed_it_ends_as_if_it_never_had_been(tmp_path, command):
    tally = stop_often(command, tmp_path, KILLS)
    assert sum(tally.stops.values()) == KILLS
    print(tally)


def test_sigterm_is_one_sentence_and_the_command_goes_on(tmp_path, command):
    print(stop_often(command, tmp_path, TERMINATIONS, signal.SIGTERM))


def test_two_runs_go_on_alike_from_the_same_checkpoint(tmp_path):
    """Those of a training by gradients too, which is not what it would have been."""
    ppo = COMMANDS["ppo"]
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    life = Life(functools.partial(ppo.start, 1), first)
    while ppo.saved(first / OUT) <= 0:
        assert life.wait(0.01) is None, life.said()
    life.stop(signal.SIGKILL, group=False)
    life.wait()
    shutil.copytree(first, second)
    for folder in (first, second):
        finish(ppo, folder)
    for path in (first / OUT).rglob("*"):
        if path.is_file() and "tfevents" not in path.name:
            again = second / path.relative_to(first)
            assert path.read_bytes() == again.read_bytes(), path


@contextlib.contextmanager
def disk(folder, size):
    """A disk of so many bytes in a folder."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("small and read-only disks are mounted, which only root may do")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def change(folder, option):
    """Mounts a disk anew; whether that can be done now."""
    again = ["mount", "-o", f"remount,{option}", str(folder)]
    return subprocess.run(again, capture_output=True).returncode == 0


def refused(life, reason):
    """A command ends by a sentence that names a file or folder."""
    status, said = life.wait(), life.said()
    assert status == 2, (status, said)
    # A thread of TensorBoard's own says more, of which the end of the process may cut off the rest.
    assert said.count("Traceback") <= said.count("Exception in thread"), said
    last = said.strip().rpartition("\n")[2]
    assert last.startswith("error: "), said
    assert last.endswith(f"{reason}."), said


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_full_disk_is_one_sentence_and_the_command_goes_on(tmp_path, command, share):
    whole, run = tmp_path / "whole", tmp_path / "run"
    whole.mkdir()
    finish(command, whole)
    sizes = [path.stat().st_size for path in whole.rglob(f"{OUT}/**/*") if path.is_file()]
    needed = sum(-(-size // SMALLEST) * SMALLEST for size in sizes)
    with disk(run / OUT, int(share * needed)):
        refused(Life(functools.partial(command.start, 1), run), "No space left on device")
        check(command, run)
        assert change(run / OUT, f"size={LARGE}")
        finish(command, run)
        compare(command, whole, run)


def test_a_disk_that_becomes_read_only_is_one_sentence_and_the_command_goes_on(tmp_path, command):
    whole, run = tmp_path / "whole", tmp_path / "run"
    whole.mkdir()
    finish(command, whole)
    with disk(run / OUT, LARGE):
        work = functools.partial(command.start, 1)
        life = Life(work, run)
        while command.saved(run / OUT) < 4 or not change(run / OUT, "ro"):
            assert life.wait(0.001) is None, life.said()
        refused(life, "Read-only file system")
        refused(Life(work, run), "Read-only file system")
        check(command, run)
        assert change(run / OUT, "rw")
        finish(command, run)
        compare(command, whole, run)
