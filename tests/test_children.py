"""Child processes end with their parent, however it ends, and say nothing of their own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from qkd_gym.children import child_processes

WORK = """
import os, time
from qkd_gym.children import child_processes
from qkd_gym.commands import exit_status
path = {path!r}
with exit_status("It goes on."), child_processes(2) as submit:
    open(path, "w").close()
    for _ in range(2):
        work = submit(exec, f"open({{path!r}}, 'a').write('!')\\nimport time; time.sleep(60)", {{}})
    while os.path.getsize(path) < 2 * {loaded}:  # children that have begun
        time.sleep(0.01)
    print("ready", flush=True)
    work.result()
"""


def start(code):
    """A command in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end_of(process):
    """Exit status and errors, once the process and its children, who hold the pipes, are gone."""
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 15
    return process.returncode, errors


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGTERM, 143, "\nInterrupted. It goes on.\n"),
        (signal.SIGINT, 130, "\nInterrupted. It goes on.\n"),
    ],
)
def test_children_end_with_their_parent(tmp_path, number, status, words):
    process = start(WORK.format(loaded=True, path=str(tmp_path / "there")))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    ended, errors = end_of(process)
    assert ended == status
    # Python's own resource tracker may say what a killed process left.
    assert errors == words or number == signal.SIGKILL
    assert "Traceback" not in errors


@pytest.mark.parametrize("loaded", [False, True])
def test_ctrl_c_in_a_terminal_brings_no_traceback_of_children(tmp_path, loaded):
    process = start(WORK.format(loaded=loaded, path=str(tmp_path / "there")))
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and children
    assert end_of(process) == (130, "\nInterrupted. It goes on.\n")


def test_a_killed_child_is_one_sentence():
    code = """
import os, signal
from qkd_gym.children import child_processes
from qkd_gym.commands import exit_status
with exit_status("It goes on."), child_processes(1) as submit:
    submit(os.kill, submit(os.getpid).result(), signal.SIGKILL).result()
"""
    status, errors = end_of(start(code))
    assert status == 1
    assert errors == (
        "error: a child process was killed, perhaps for lack of memory. It goes on.\n"
    )


def test_children_work_and_end_with_the_block():
    with child_processes(2) as submit:
        assert [submit(abs, value).result() for value in (-3, 4)] == [3, 4]
        child = submit(os.getpid).result()
        assert child != os.getpid()
    with pytest.raises(OSError, match="No such process"):
        os.kill(child, 0)


def test_children_of_a_script_compute_on_one_thread(tmp_path):
    pytest.importorskip("torch")
    script = tmp_path / "script.py"
    script.write_text(
        """
import os
import torch
from qkd_gym.children import child_processes
if __name__ == "__main__":
    with child_processes(1) as submit:
        print(submit(torch.get_num_threads).result())
    print(os.environ["OMP_NUM_THREADS"], "MKL_NUM_THREADS" in os.environ)
"""
    )
    given = {key: value for key, value in os.environ.items() if key != "MKL_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, script],
        env=given | {"OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n3 False\n"


def test_an_error_breaks_off_what_children_do():
    began = time.monotonic()

    def fail():
        with child_processes(1) as submit:
            for _ in range(2):
                submit(time.sleep, 60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert time.monotonic() - began < 15
