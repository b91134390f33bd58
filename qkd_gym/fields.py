"""Fields of dataclasses that say which values they allow, and one check of all of them.

    @dataclass(frozen=True)
    class Pump:
        power_w: float = number(1e-3, 0.0, unit="W")
        brightness: Real | str = real(0.05, 0.0, low_open=True, word="optimal")
        mode: str = choice("pulsed", ("pulsed", "continuous"))

        def __post_init__(self) -> None:
            check_fields(self)

``Pump(power_w=-1.0)`` raises `InvalidInput`: "power_w is -1, but must be at least 0 W." The bounds
are part of the declaration, so that a class states each of them once.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import (
    range_text,
    require_between,
    require_choice,
    require_flag,
    require_integer,
    require_number,
)

Real = float | NDArray[np.float64]
"""A number, or an array of numbers that broadcasts against the other arguments of a formula."""


def number(
    default: float | None,
    low: float = -math.inf,
    high: float = math.inf,
    infinite: bool = False,
    **options: Any,
) -> Any:
    """A field for one finite number.

    Args:
        default: Default of the field; if it is None, None is allowed too.
        low: Smallest allowed value.
        high: Largest allowed value.
        infinite: Whether infinity, for no limit at all, is allowed beside the interval.
        **options: ``low_open`` and ``high_open``, whether an end itself is excluded, and ``unit``,
            to print behind the interval in an error.

    Returns:
        A `dataclasses.field` for `check_fields`.
    """

    def check(name: str, value: Any) -> None:
        if not (infinite and isinstance(value, float) and value == math.inf):
            require_number(name, value, low, high, **options)

    allowed = range_text(low, high, **options)
    return _field(default, check, f"{allowed} or infinite" if infinite else allowed)


def real(default: float | str, *interval: float, word: str = "", **options: Any) -> Any:
    """A field for a number or an array of numbers, which `check_fields` stores as float64.

    Args:
        default: Default of the field.
        *interval: Smallest and largest allowed element, as for `number`.
        word: A word that may stand in place of the numbers, such as ``"optimal"``.
        **options: ``low_open``, ``high_open`` and ``unit``, as for `number`.

    Returns:
        A `dataclasses.field` for `check_fields`.
    """

    def check(name: str, value: Any) -> None:
        require_between(name, value, *interval, **options)

    return dataclasses.field(default=default, metadata={"check": check, "real": True, "word": word})


def integer(default: int | None, low: int, high: float = math.inf) -> Any:
    """A field for a whole number in [low, high], as a `dataclasses.field` for `check_fields`.

    If the default is None, None is allowed too.
    """
    check = partial(require_integer, low=low, high=high)
    return _field(default, check, f"integer {range_text(low, high)}")


def flag(default: bool) -> Any:
    """A field for a truth value, as a `dataclasses.field` for `check_fields`."""
    return _field(default, require_flag, "true or false")


def choice(default: str, choices: tuple[str, ...]) -> Any:
    """A field for one of several words, as a `dataclasses.field` for `check_fields`."""
    check = partial(require_choice, choices=choices)
    return _field(default, check, " or ".join(choices))


def _field(default: Any, check: Callable[[str, Any], None], allowed: str) -> Any:
    return dataclasses.field(default=default, metadata={"check": check, "allowed": allowed})


def check_fields(record: Any) -> None:
    """Checks the fields of a dataclass that are declared with the functions of this module.

    Fields of `real` become a float, or a float64 array where they have dimensions; other numbers
    become Python's own, so that JSON and hashes know them. Meant for ``__post_init__``, of frozen
    dataclasses too.

    Args:
        record: Instance of a dataclass.

    Raises:
        InvalidInput: Naming the first field outside its range, its value and the range.
    """
    for field in dataclasses.fields(record):
        value, rule = getattr(record, field.name), field.metadata
        if value is None and field.default is None:
            continue
        if rule.get("word") and isinstance(value, str):
            require_choice(field.name, value, (rule["word"],))
            continue
        if "check" in rule:
            rule["check"](field.name, value)
        if "real" in rule:
            array = np.asarray(value, dtype=np.float64)
            object.__setattr__(record, field.name, array if array.ndim else float(array))
        elif isinstance(value, numbers.Real) and not isinstance(value, (int, float)):
            plain: Any = int if isinstance(value, numbers.Integral) else float
            object.__setattr__(record, field.name, plain(value))
