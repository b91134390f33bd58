"""Lists of named records in a configuration, such as service classes and faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from qkd_gym.errors import InvalidInput, require_known_keys, shown

Record = TypeVar("Record")


def read_named(
    field: str, given: Any, kind: type[Record], most: int, word: str
) -> tuple[Record, ...]:
    """Records from what a user or a file gives.

    Args:
        field: Name of the field of the configuration.
        given: A list of records or of mappings of their fields; an empty one for none.
        kind: Their dataclass, which has a field ``name``.
        most: How many there may be.
        word: What they are called.

    Raises:
        InvalidInput: If it is anything else, or if two have one name.
    """
    if not isinstance(given, (list, tuple)) or len(given) > most:
        raise InvalidInput(
            f"{field} is {shown(given)}, but must be a list of at most {most} {word}."
        )
    read = tuple(_read(f"{field}[{i}]", each, kind) for i, each in enumerate(given))
    names = [getattr(each, "name") for each in read]  # noqa: B009
    if len(set(names)) < len(names):
        raise InvalidInput(f"{field} is {shown(names)}, but must have different names.")
    return read


def _read(field: str, given: Any, kind: type[Record]) -> Record:
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{field} is {shown(given)}, but must be a mapping.")
    known: Any = kind
    require_known_keys(field, given, [each.name for each in dataclasses.fields(known)])
    if "name" not in given:
        raise InvalidInput(f"{field} has no name, but must have one.")
    try:
        return kind(**given)
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error}") from None
