"""Where results go: checked before the work, whole or not there, and never made again half-way."""

from pathlib import Path

import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.files import require_writable_file, require_writable_folder, write_bytes


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
