"""Where results go: checked before the work, whole or not there, and never made again half-way."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.files import (
    read_journal,
    require_writable_file,
    require_writable_folder,
    write_bytes,
)


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain"
    path.write_text("kept")
    return path


# The file itself, below it, and names that no system takes.
@pytest.mark.parametrize("below", ["", "a", "a/b", "zero\0", "n" * 300])
def test_output_below_a_plain_file_is_refused(plain, below):
    with pytest.raises(InvalidInput, match="^out is .* must be a folder that can be written"):
        require_writable_folder(plain / below, "out")
    assert plain.read_text() == "kept"


def test_output_where_nothing_can_be_written_is_refused():
    with pytest.raises(InvalidInput, match="out is '/proc/results', but must be a folder"):
        require_writable_folder(Path("/proc/results"), "out")
    with pytest.raises(InvalidInput, match="out is '/proc', but must be a folder"):
        require_writable_folder(Path("/proc"), "out")


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    require_writable_folder(tmp_path / "a" / "b", "out")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    require_writable_file(tmp_path / "c" / "file", "out")
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.parametrize("target", ["/dev/full", "/"])
def test_a_file_must_not_be_anything_else(target):
    with pytest.raises(InvalidInput, match=r"out is '.*', but must be a file"):
        require_writable_file(Path(target), "out")


def test_a_folder_that_has_vanished_is_not_made_again(tmp_path):
    with pytest.raises(InvalidInput, match="has vanished") as refused:
        write_bytes(tmp_path / "gone" / "table.md", b"half of the results")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_half_written_goes_with_the_next_work(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = f".table.md.{ended.pid}.unfinished"
    others = [f".table.md.{os.getppid()}.unfinished", f".table.md.{ended.pid}", ".md.unfinished"]
    for name in (left, *others):
        (tmp_path / name).write_text("half")
    require_writable_folder(tmp_path, "out")
    assert {path.name for path in tmp_path.iterdir()} == set(others)


class Trial(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of a journal."""

    name: str
    share: float | None


HEADER = {"of": "trials", "version": 1}


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal.jsonl"
    _, append = read_journal(path, HEADER, Trial)
    append(Trial("a", 0.5))
    append(Trial("b", float("nan")))
    return path


def test_a_journal_returns_what_was_appended(journal):
    assert read_journal(journal, HEADER, Trial)[0] == [Trial("a", 0.5), Trial("b", None)]


def test_a_torn_last_line_of_a_journal_is_dropped(journal):
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"name": "c", "sha')
    entries, append = read_journal(journal, HEADER, Trial)
    assert [entry.name for entry in entries] == ["a", "b"]
    assert journal.read_bytes() == whole
    append(Trial("c", 1.0))
    assert [entry.name for entry in read_journal(journal, HEADER, Trial)[0]] == ["a", "b", "c"]


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "line",
    [
        *("{}", '"x"', "", "[]", "null", "3", '{"name": "c"}', '{"name": 1, "share": 0.5}'),
        *('{"name": "c", "share": "0.5"}', '{"name": "c", "share": true}', "{"),
        *('{"name": "c", "share": NaN}', '{"name": "c", "share": 1' + 400 * "0" + "}"),
        '{"name": "c", "share": 0.5, "other": 1}',
        '{"name": "c", "name": "d", "share": 0.5}',
        100_000 * "[",
        '{"name": "' + 2**20 * "x" + '", "share": 0.5}',
    ],
    ids=lambda line: line[:30] if isinstance(line, str) else None,
)
def test_a_journal_line_of_another_kind_is_named(journal, line, at):
    lines = journal.read_text().split("\n")
    content = "\n".join([*lines[:at], line, *lines[at:]]) + ("\n" if at == 3 else "")
    journal.write_text(content)
    with pytest.raises(InvalidInput, match=r"^journal '") as refused:
        read_journal(journal, HEADER, Trial)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 300
    assert journal.read_text() == content


def test_a_journal_of_another_run_is_refused(journal):
    with pytest.raises(InvalidInput, match="is of another run; delete it"):
        read_journal(journal, {**HEADER, "version": 2}, Trial)


def test_a_journal_that_has_vanished_is_not_begun_again(journal):
    _, append = read_journal(journal, HEADER, Trial)
    journal.unlink()
    with pytest.raises(InvalidInput, match="has vanished"):
        append(Trial("c", 0.5))
    assert not journal.exists()
