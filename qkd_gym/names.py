"""What users register by name, known here and in the processes that work for this one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from qkd_gym.errors import InvalidInput, shown

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REGISTERED: dict[str, dict[str, Any]] = {}


def register(what: str, name: Any, thing: Any, shipped: Collection[str]) -> None:
    """Registers a thing under a name.

    A name means one thing for as long as the process lives, since what was made from it is kept.
    To register the same once more does nothing.

    Args:
        what: What it is, such as ``"scenario"``.
        name: 1 to 64 letters, digits, ``-`` and ``_``.
        thing: The thing.
        shipped: Names that the package has itself.

    Raises:
        InvalidInput: If the name is none, or already that of something else.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{what} is {shown(name)}, but must be a name of 1 to 64 letters, digits, - and _."
        )
    if name in shipped:
        raise InvalidInput(f"{what} is {shown(name)}, but must not be a name of the package's own.")
    known = _REGISTERED.setdefault(what, {})
    if name in known and known[name] != thing:
        raise InvalidInput(
            f"{what} is {shown(name)}, but that name is registered for another {what} already: "
            "choose another one, or start a new process."
        )
    known.setdefault(name, thing)


def registered(what: str) -> Mapping[str, Any]:
    """What is registered, by name.

    Args:
        what: As for `register`.
    """
    return _REGISTERED.get(what, {})


def all_registered() -> dict[str, dict[str, Any]]:
    """All that is registered, for `adopt` in another process."""
    return _REGISTERED


def adopt(others: Mapping[str, Mapping[str, Any]]) -> None:
    """Registers what another process has registered, where the name is not known here.

    Args:
        others: From `all_registered`.
    """
    for what, things in others.items():
        _REGISTERED[what] = {**things, **_REGISTERED.get(what, {})}
