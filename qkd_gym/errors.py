"""One kind of error, and one sentence, for every bad value that a user can hand to the package."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np


class InvalidInput(ValueError):
    """A configuration, file, checkpoint or argument that cannot be used.

    The message is one sentence that names the field, the value and what is allowed, so that a
    command line can print it as it is and exit with status 2.
    """


def range_text(
    low: float, high: float, low_open: bool = False, high_open: bool = False, unit: str = ""
) -> str:
    """An interval in words, as errors and the documentation print it.

    An infinite end is none, an open one is itself excluded; the unit follows the numbers.
    """
    suffix = f" {unit}" if unit else ""
    if math.isinf(high):
        return f"{'above' if low_open else 'at least'} {low:g}{suffix}"
    if math.isinf(low):
        return f"{'below' if high_open else 'at most'} {high:g}{suffix}"
    return f"in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}{suffix}"


def require_between(
    field: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
    unit: str = "",
) -> None:
    """Raises unless a number, or every element of an array, is finite and in an interval.

    Args:
        field: Name of the field, as the user wrote it.
        value: The number or array.
        low: Lower end.
        high: Upper end.
        low_open: Whether ``low`` itself is excluded.
        high_open: Whether ``high`` itself is excluded.
        unit: Unit to print behind the interval.

    Raises:
        InvalidInput: Naming the field, the first offending value and the interval.
    """
    allowed = range_text(low, high, low_open, high_open, unit)
    try:
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise InvalidInput(f"{field} is {value!r}, but must be a number {allowed}.") from None
    bad = ~np.isfinite(array)
    bad |= array <= low if low_open else array < low
    bad |= array >= high if high_open else array > high
    if bad.any():
        raise InvalidInput(f"{field} is {array[bad][0]:g}, but must be {allowed}.")


def require_integer(field: str, value: Any, low: int, high: float = math.inf) -> None:
    """Raises unless ``value`` is an integer in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        allowed = range_text(low, high)
        raise InvalidInput(f"{field} is {value!r}, but must be an integer {allowed}.")
    require_between(field, value, low, high)


def _nearest(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def require_choice(field: str, value: Any, choices: Collection[str]) -> None:
    """Raises unless ``value`` is one of ``choices``; suggests the nearest one."""
    if value not in choices:
        listing = ", ".join(repr(choice) for choice in choices)
        raise InvalidInput(
            f"{field} is {value!r}, but must be one of {listing}.{_nearest(str(value), choices)}"
        )


def require_known_keys(owner: str, keys: Iterable[str], allowed: Collection[str]) -> None:
    """Raises on the first key that ``owner`` does not have; suggests the nearest one."""
    for key in keys:
        if key not in allowed:
            listing = ", ".join(allowed)
            hint = _nearest(str(key), allowed)
            raise InvalidInput(f"{owner} has no field {key!r}.{hint} Its fields are {listing}.")
