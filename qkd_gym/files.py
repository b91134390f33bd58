"""Files that appear whole or not at all."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qkd_gym.errors import InvalidInput


def write_bytes(path: Path, content: bytes) -> None:
    """Writes beside the target and renames, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


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
    path: Path, header: dict[str, Any]
) -> tuple[list[dict[str, Any]], Callable[[dict[str, Any]], None]]:
    """Opens a journal: one JSON object per line, handed to the system before the next begins.

    Nothing is lost with the process: a line that it left half-written is dropped, and what it had
    written the system keeps. Only a power cut can take the last lines.

    Args:
        path: The file; it is begun if it does not exist.
        header: First line, which says what the journal is of.

    Returns:
        The entries so far, and a function that appends one.

    Raises:
        InvalidInput: If the file is a journal of something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    try:
        entries = [json.loads(line) for line in lines]
    except ValueError:
        raise InvalidInput(f"journal {str(path)!r} is damaged; delete it to start anew.") from None
    if entries and entries[0] != header:
        raise InvalidInput(
            f"journal {str(path)!r} is of another run; delete it or name another place."
        )

    def append(entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with path.open("ab") as file:
            file.write(line.encode())

    # Cuts off what follows the last whole line.
    write_bytes(path, b"".join(line + b"\n" for line in lines))
    if not entries:
        append(header)
    return entries[1:], append
