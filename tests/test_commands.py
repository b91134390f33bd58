"""How command lines end: status, one sentence, and signals."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from qkd_gym.commands import exit_status
from qkd_gym.errors import InvalidInput


def status_of(work):
    with pytest.raises(SystemExit) as ended, exit_status("The same command goes on."):
        work()
    return ended.value.code


def terminate():
    signal.raise_signal(signal.SIGTERM)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def invalid():
    raise InvalidInput("load is -1, but must be at least 0.")


@pytest.mark.parametrize(
    ("work", "status", "words"),
    [
        (interrupt, 130, "\nInterrupted. The same command goes on.\n"),
        (terminate, 143, "\nInterrupted. The same command goes on.\n"),
        (invalid, 2, "error: load is -1, but must be at least 0.\n"),
    ],
)
def test_each_end_has_a_status_and_one_sentence(work, status, words, capsys):
    assert status_of(work) == status
    assert capsys.readouterr().err == words


def test_sigterm_saves_wherever_ctrl_c_does():
    saved = []

    def work():
        try:
            terminate()
        except KeyboardInterrupt:
            saved.append("checkpoint")
            raise

    assert status_of(work) == 143
    assert saved == ["checkpoint"]


@pytest.mark.parametrize("work", [interrupt, terminate, invalid, lambda: None])
def test_what_was_done_on_sigterm_before_is_put_back(work):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("host"))
    try:
        try:
            with exit_status(""):
                work()
        except SystemExit:
            pass
        terminate()
        assert heard == ["host"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_may_run_commands():
    done = []

    def work():
        with exit_status(""):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_file_that_fails_is_one_sentence(tmp_path, capsys):
    assert status_of(lambda: os.listdir(tmp_path / "no")) == 2
    error = capsys.readouterr().err
    assert error == f"error: {str(tmp_path / 'no')!r} cannot be used: No such file or directory.\n"


def test_a_file_whose_name_is_bytes_is_named_like_others(capsys):
    assert status_of(lambda: os.listdir(b"/no/such")) == 2
    error = capsys.readouterr().err
    assert error == "error: '/no/such' cannot be used: No such file or directory.\n"


def test_a_full_disk_is_one_sentence(tmp_path):
    """Stood for by a limit on the size of files."""
    code = """
import resource, sys
from pathlib import Path
from qkd_gym.commands import exit_status
from qkd_gym.files import read_journal, write_bytes
path = Path(sys.argv[1])
if sys.argv[2] == "file":
    write = lambda: write_bytes(path, bytes(9000))
else:
    append = read_journal(path, {}, dict)[1]
    write = lambda: append({"key": "x" * 9000})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with exit_status(""):
    write()
"""
    for kind in ("file", "journal"):
        command = [sys.executable, "-c", code, str(tmp_path / kind), kind]
        # Where coverage is measured, it could not write what it found.
        env = {**os.environ, "COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        assert done.returncode == 2
        assert done.stderr == f"error: {str(tmp_path / kind)!r} cannot be used: File too large.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_an_error_of_no_file_is_a_fault_of_the_program():
    with pytest.raises(OSError, match="Invalid argument"), exit_status(""):
        raise OSError(22, "Invalid argument")
