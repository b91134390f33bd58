"""Files that appear whole or not at all."""

from __future__ import annotations

import io
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.reading import decode_json, read_bytes

Entry = TypeVar("Entry", bound=msgspec.Struct)

_UNFINISHED = ".unfinished"
_LARGEST_JOURNAL = 2**28  # bytes
_LONGEST_LINE = 2**20  # bytes


def require_writable_folder(path: Path, field: str) -> None:
    """Makes a folder unless it is there, and tries whether a file can be written into it.

    What processes that were killed have left half-written there is removed, see `write_bytes`.

    To be called once all else that a user gave is checked, and before the work whose results are
    to go there.

    Args:
        path: The folder.
        field: What the user calls it, for the error.

    Raises:
        InvalidInput: If it cannot be made or written into.
    """
    with _reason(path, field, "a folder that can be written"):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as trial:
            trial.write(b"0")
        for left in path.glob(f".*{_UNFINISHED}"):
            if _has_ended(Path(left.stem).suffix[1:]):
                left.unlink(missing_ok=True)


def require_writable_file(path: Path, field: str) -> None:
    """Checks the folder of a file by `require_writable_folder`, and what the name stands for.

    Raises:
        InvalidInput: If the folder cannot be written, or there is something other than a plain
            file under the name of the file.
    """
    require_writable_folder(path.parent, field)
    with _reason(path, field, "a file that can be written"), suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("it is there and no plain file")


@contextmanager
def _reason(path: Path, field: str, wanted: str) -> Iterator[None]:
    """Turns errors of the system into one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:  # a ValueError for a zero byte in a name
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(
            f"{field} is {shown(str(path))}, but must be {wanted}: {reason}."
        ) from None


def write_bytes(path: Path, content: bytes) -> None:
    """Writes beside the target and renames, so that no reader sees half a file.

    A process that is killed meanwhile leaves ``.NAME.PID.unfinished`` beside it, which no reader
    looks for and the next work in the folder removes, see `require_writable_folder`.

    The folder must be there: one that has vanished since the work began is not made again for
    half of the results.

    Raises:
        InvalidInput: If the folder is not there.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{_UNFINISHED}")
    try:
        with _writing(path):
            unfinished.write_bytes(content)
            unfinished.replace(path)
    finally:
        with suppress(OSError):  # where nothing can be written any more, it is not there either
            unfinished.unlink(missing_ok=True)


def _has_ended(pid: str) -> bool:
    """Whether a process is certain to be gone; the files of others are left alone."""
    if os.name != "posix" or not pid.isdecimal():  # elsewhere 0 is a signal
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # that of another user, or no number of a process
        pass
    return False


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Errors name the file that was to be written; those of a full disk would name none."""
    try:
        yield
    except FileNotFoundError:
        raise vanished(path) from None
    except OSError as error:
        error.filename = str(path)
        raise


def vanished(path: Path) -> InvalidInput:
    """The error for a file that cannot be written any more since its folder or itself is gone."""
    return InvalidInput(
        f"{shown(str(path))} cannot be written: it or its folder has vanished, but must stay until "
        "the work is done."
    )


def write_figure(path: Path, figure: Any) -> None:
    """Writes a matplotlib figure as PNG, see `write_bytes`."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_bytes(path, content.getvalue())


def write_json(path: Path, content: Any) -> None:
    """Writes dictionaries, lists and plain values, numpy's included, as indented JSON.

    Numbers that are not finite become null. See `write_bytes`.
    """
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def read_journal(
    path: Path, header: dict[str, Any], schema: type[Entry]
) -> tuple[list[Entry], Callable[[Entry], None]]:
    """Opens a journal: one JSON object per line, handed to the system before the next begins.

    Nothing is lost with the process: a line that it left half-written is dropped, and what it had
    written the system keeps. Only a power cut can take the last lines.

    Args:
        path: The file; it is begun if it does not exist.
        header: First line, which says what the journal is of.
        schema: Type of the other lines. Where it allows None, that stands for NaN in the file.

    Returns:
        The entries so far, and a function that appends one.

    Raises:
        InvalidInput: If the file cannot be written, is a journal of something else or has a line
            that does not fit; the function, if the file has vanished.
    """
    require_writable_file(path, "journal")
    content = read_bytes(path, "journal", _LARGEST_JOURNAL) if path.exists() else b""
    *lines, torn = content.split(b"\n")
    name = f"journal {shown(str(path))}"
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST_LINE:
            raise InvalidInput(f"{name} line {number} has more than {_LONGEST_LINE} bytes.")
    if lines and decode_json(lines[0], dict[str, Any], f"{name} line 1") != header:
        raise InvalidInput(f"{name} is of another run; delete it or name another place.")
    entries = [
        decode_json(line, schema, f"{name} line {number}")
        for number, line in enumerate(lines[1:], 2)
    ]

    def append(entry: Any) -> None:
        text = json.dumps(_plain(msgspec.to_builtins(entry)), ensure_ascii=False)
        # Never a new file without what came before.
        with _writing(path), path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(text.encode() + b"\n")

    if torn:
        os.truncate(path, len(content) - len(torn))
    if not lines:
        path.touch()
        append(header)
    return entries, append
