"""JSON and TOML that others wrote: bounded in size and depth, checked, never executed.

A schema is a `msgspec.Struct` or any other type that msgspec knows. Whatever does not fit is
refused with one sentence that names the file, the field, its value and what was expected.
"""

from __future__ import annotations

import json
import re
import tomllib
from functools import reduce
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from qkd_gym.errors import InvalidInput, require_choice, require_known_keys, shown

T = TypeVar("T")

MOST_BYTES = 8 * 2**20  # of a file, unless its reader says otherwise
_DEEPEST = 64  # objects and lists within one another
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NESTING = np.zeros(256, np.int64)  # what each character adds to the depth
_NESTING[[*b"[{"]], _NESTING[[*b"]}"]] = 1, -1
_KINDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def read_bytes(path: Path | Traversable, what: str, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file of a bounded size.

    Args:
        path: A plain file; devices, pipes and folders are refused.
        what: What the file is, such as ``"topology"``, for errors.
        most_bytes: The largest size.

    Raises:
        InvalidInput: If there is no such file, it cannot be read, or it is larger.
    """
    name = f"{what} {shown(str(path))}"
    content: bytes | None = None
    try:
        if path.is_file():
            with path.open("rb") as file:
                content = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:  # a ValueError for a zero byte in its name
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{name} cannot be read: {reason}.") from None
    if content is None:
        raise InvalidInput(f"{name} is not there, but must be an existing file.")
    if len(content) > most_bytes:
        raise InvalidInput(f"{name} is larger than {most_bytes} bytes, the most that is read.")
    return content


def read_json(
    path: Path | Traversable, schema: type[T], what: str, most_bytes: int = MOST_BYTES
) -> T:
    """Reads a JSON file.

    Args:
        path: The file.
        schema: Type of its content, see `decode_json`.
        what: What the file is, such as ``"topology"``, for errors.
        most_bytes: The largest size of the file.

    Raises:
        InvalidInput: If the file cannot be read, or as `decode_json`.
    """
    content = read_bytes(path, what, most_bytes)
    return decode_json(content, schema, f"{what} {shown(str(path))}")


def decode_json(content: bytes, schema: type[T], where: str) -> T:
    """Reads JSON text.

    Args:
        content: The text in UTF-8.
        schema: Type of the content; texts, numbers and truth values are never taken for one
            another, and fields that a struct with ``forbid_unknown_fields`` lacks are refused.
        where: What the text is, for errors.

    Raises:
        InvalidInput: If it is no valid JSON, repeats a key, holds a number that is not finite, is
            nested too deeply, or does not have the type of the schema.
    """
    characters = np.frombuffer(_STRING.sub(b"", content), np.uint8)
    if np.cumsum(_NESTING[characters]).max(initial=0) > _DEEPEST:
        raise InvalidInput(f"{where} is nested more than {_DEEPEST} levels deep.")
    try:
        text = content.decode("utf-8-sig")  # which, unlike json, refuses half surrogate pairs
        value = json.loads(
            text, object_pairs_hook=_distinct, parse_float=_finite, parse_constant=_finite
        )
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()  # fails for half a surrogate pair
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{where} is not valid JSON: line {error.lineno}, {error.msg}."
        ) from None
    except UnicodeError:
        raise InvalidInput(f"{where} is not valid JSON: it is no UTF-8 text.") from None
    except InvalidInput as error:
        raise InvalidInput(f"{where} {error}") from None
    except ValueError:  # an integer of thousands of digits
        raise InvalidInput(f"{where} holds a number of too many digits.") from None
    return convert(value, schema, where)


def convert(value: Any, schema: type[T], where: str) -> T:
    """Checks plain values, as JSON or TOML have them, against a schema.

    Args:
        value: Dictionaries, lists, texts, numbers, truth values and None.
        schema: The type that they shall have, see `decode_json`.
        where: What the value is, for errors.

    Raises:
        InvalidInput: Naming the first field that does not fit, or if a text is no Unicode.
    """
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        problem, _, at = str(error).partition(" - at ")
    except UnicodeError:
        raise InvalidInput(f"{where} holds half a surrogate pair, but must be Unicode.") from None
    path = at.strip("`").removeprefix("$.").removeprefix("$")
    place = f"{where}: {path}" if path else where
    if match := re.match(r"Object missing required field `(.*)`", problem):
        raise InvalidInput(f"{place} lacks the field {match[1]!r}, but must have it.")
    if "out of range" in problem:
        problem = "Expected a number of at most 64 bits"
    steps = re.findall(r"\[(?:\d+|\.\.\.)\]|[^.\[\]]+", path)
    if match := re.match(r"Object contains unknown field `(.*)`", problem, re.DOTALL):
        allowed = _fields(msgspec.inspect.type_info(schema), steps)
        require_known_keys(place, [match[1]], allowed)
    expected = re.sub(r", got .*", "", problem.removeprefix("Expected "))
    for kind, words in _KINDS.items():
        expected = re.sub(rf"`{kind}\b|\b{kind}`|(?<=\| ){kind}(?= \|)", words, expected)
    expected = expected.replace(" | ", " or ").replace("`", "")
    raise InvalidInput(f"{place}{_found(value, steps)}, but must be {expected}.")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"has the key {shown(twice)} twice in one object, but keys are unique.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        raise InvalidInput(f"holds the number {text[:40]}, but numbers must be finite.")
    return number


def _found(value: Any, steps: list[str]) -> str:
    """Words for the value at a path; none where the path does not name a key."""
    try:
        at = reduce(lambda part, step: part[_index(step)], steps, value)
    except (KeyError, IndexError, TypeError, ValueError):
        return " holds a value of another kind"
    return f" is {shown(at)}"


def _index(step: str) -> Any:
    return int(step[1:-1]) if step.startswith("[") else step


def _fields(kind: Any, steps: list[str]) -> list[str]:
    """Names of the fields of the struct at a path within a schema."""
    options = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    for option in options:
        if isinstance(option, msgspec.inspect.StructType):
            fields = {field.encode_name: field.type for field in option.fields}
            if not steps:
                return list(fields)
            if steps[0] in fields:
                return _fields(fields[steps[0]], steps[1:])
        for inner in ("item_type", "value_type"):
            if steps and hasattr(option, inner):
                return _fields(getattr(option, inner), steps[1:])
    return []


def read_tables(path: Path, what: str) -> dict[str, Any]:
    """The tables of a TOML file by name.

    Args:
        path: The file.
        what: What it is called in errors.

    Raises:
        InvalidInput: If it cannot be read.
    """
    content = read_bytes(path, what)
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        reason = shown(str(error))
        raise InvalidInput(f"{what} {shown(str(path))} cannot be read: {reason}.") from None


def read_table(path: Path, what: str, name: str) -> dict[str, Any]:
    """One table of a TOML file, see `read_tables`.

    Raises:
        InvalidInput: If the file cannot be read or has no such table.
    """
    tables = read_tables(path, what)
    require_choice(f"{what} {shown(path.name)}", name, tables)
    if not isinstance(tables[name], dict):
        raise InvalidInput(
            f"{what} {shown(path.name)}: {shown(name)} is {shown(tables[name])}, but must be a "
            "table."
        )
    return dict(tables[name])
