"""One kind of error, and one sentence, for every bad value that a user can hand to the package."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

_LONGEST = 80  # characters of a value that an error quotes
_LONGEST_MESSAGE = 300  # characters of an error


class InvalidInput(ValueError):
    """A configuration, file, checkpoint or argument that cannot be used.

    The message is one sentence that names the field, the value and what is allowed, so that a
    command line can print it as it is and exit with status 2. It is cut after 300 characters.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_cut(message, _LONGEST_MESSAGE))


class UnknownArgument(InvalidInput, TypeError):
    """A keyword argument that nobody takes.

    It is a TypeError too, as Python's own error of that kind, which other libraries wait for.
    """


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def shown(value: Any, most: int = _LONGEST) -> str:
    """A value as errors quote it: as its literal, on one line, cut after ``most`` characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of thousands of digits, or whatever a foreign object does
        text = f"<{type(value).__name__}>"
    return _cut(text, most)


def range_text(
    low: float, high: float, low_open: bool = False, high_open: bool = False, unit: str = ""
) -> str:
    """An interval in words, as errors and the documentation print it.

    An infinite end is none, an open one is itself excluded; the unit follows the numbers.
    """
    suffix = f" {unit}" if unit else ""
    if math.isinf(low) and math.isinf(high):
        return "finite"
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
        value: The number, or an array or list of numbers; text and truth values are none.
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
        array = np.atleast_1d(np.asarray(value))
        # Before the conversion, which would read numbers out of texts.
        if array.dtype.kind not in "iuf" and not all(map(_is_real, array.ravel().tolist())):
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{field} is {shown(value)}, but must be a number {allowed}.") from None
    bad = ~np.isfinite(array)
    bad |= array <= low if low_open else array < low
    bad |= array >= high if high_open else array > high
    if bad.any():
        raise InvalidInput(f"{field} is {array[bad][0]:g}, but must be {allowed}.")


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def require_number(
    field: str, value: Any, low: float = -math.inf, high: float = math.inf, **options: Any
) -> None:
    """Raises unless ``value`` is one number, no array, in the interval of `require_between`."""
    if not _is_real(value):
        allowed = range_text(low, high, **options)
        raise InvalidInput(f"{field} is {shown(value)}, but must be one number {allowed}.")
    require_between(field, value, low, high, **options)


def require_integer(field: str, value: Any, low: int, high: float = math.inf) -> None:
    """Raises unless ``value`` is an integer in [low, high], Python's or NumPy's."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        allowed = range_text(low, high)
        raise InvalidInput(f"{field} is {shown(value)}, but must be an integer {allowed}.")
    if not low <= value <= high:
        allowed = range_text(low, high)
        raise InvalidInput(f"{field} is {shown(int(value))}, but must be {allowed}.")


def require_flag(field: str, value: Any) -> None:
    """Raises unless ``value`` is a truth value: text such as "no" would count as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidInput(f"{field} is {shown(value)}, but must be true or false.")


def require_instance(field: str, value: Any, kind: type) -> None:
    """Raises unless ``value`` is an object of a class or of one that derives from it."""
    if not isinstance(value, kind):
        raise InvalidInput(f"{field} is {shown(value)}, but must be a {kind.__name__}.")


def _listed(names: Iterable[str]) -> str:
    """Names for an error, as many as fit into it, and how many there are in all."""
    text = ", ".join(names)
    if len(text) <= 2 * _LONGEST:
        return text
    shortened = text[: 2 * _LONGEST].rpartition(", ")[0]
    return f"{shortened}, ... ({text.count(', ') + 1} in all)"


def _nearest(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word[:_LONGEST], list(choices), n=1, cutoff=0.5)
    return f" Did you mean {shown(near[0])}?" if near else ""


def require_choice(field: str, value: Any, choices: Collection[str]) -> None:
    """Raises unless ``value`` is one of ``choices``; suggests the nearest one."""
    if not isinstance(value, str) or value not in choices:
        listing = _listed(repr(choice) for choice in choices)
        hint = _nearest(value, choices) if isinstance(value, str) else ""
        raise InvalidInput(f"{field} is {shown(value)}, but must be one of {listing}.{hint}")


def require_known_keys(
    owner: str,
    keys: Iterable[Any],
    allowed: Collection[str],
    error: type[InvalidInput] = InvalidInput,
) -> None:
    """Raises on the first key that ``owner`` does not have; suggests the nearest one.

    Args:
        owner: What has the keys.
        keys: The keys that were given.
        allowed: The keys that there are.
        error: `InvalidInput`, or `UnknownArgument` for keyword arguments.
    """
    # Python's own words, which other libraries look for.
    problem = "got an unexpected keyword argument" if error is UnknownArgument else "has no field"
    for key in keys:
        if key not in allowed:
            hint = _nearest(str(key), allowed)
            raise error(f"{owner} {problem} {shown(key)}.{hint} Its fields are {_listed(allowed)}.")
