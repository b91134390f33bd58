"""Element-wise numerics that the formulas of all links share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym.errors import InvalidInput, require_between, shown

F64 = NDArray[np.float64]

_SECTIONS = 16  # golden sections that refine a maximum

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def checked(
    field: str,
    value: ArrayLike,
    low: float = 0.0,
    high: float = math.inf,
    **options: Any,
) -> F64:
    """An argument as a float64 array, once all of it lies in [low, high].

    Args:
        field: Name of the argument.
        value: A number or an array of numbers.
        low: Smallest allowed element.
        high: Largest allowed element.
        **options: ``low_open``, ``high_open`` and ``unit``, as for `require_between`.

    Raises:
        InvalidInput: Naming the argument, its first element outside the interval and the interval.
    """
    require_between(field, value, low, high, **options)
    return np.asarray(value, dtype=np.float64)


def checked_transmittance(transmittance: ArrayLike) -> F64:
    """Transmittances of a channel as a float64 array of the same shape.

    Raises:
        InvalidInput: If one is outside [0, 1].
    """
    return checked("transmittance", transmittance, 0.0, 1.0)


def checked_length_km(length_km: ArrayLike) -> F64:
    """Lengths of links in km as a float64 array of the same shape.

    Raises:
        InvalidInput: If one is outside [0, 1e6], which reaches beyond the moon.
    """
    return checked("length_km", length_km, 0.0, 1e6, unit="km")


def checked_wavelength_m(wavelength_nm: ArrayLike) -> F64:
    """Wavelengths given in nm, in m, as a float64 array of the same shape.

    Raises:
        InvalidInput: If one is outside [100, 1e5] nm, from ultraviolet to far infrared.
    """
    return checked("wavelength_nm", wavelength_nm, 100.0, 1e5, unit="nm") * 1e-9


def require_broadcast(arguments: Mapping[str, ArrayLike]) -> None:
    """Raises unless arrays broadcast against each other.

    Args:
        arguments: The arrays, or numbers, by the names that an error calls them.

    Raises:
        InvalidInput: Naming two that do not, and their shapes.
    """
    shapes = {name: np.shape(value) for name, value in arguments.items()}
    for one, other in itertools.combinations([name for name in shapes if shapes[name]], 2):
        try:
            np.broadcast_shapes(shapes[one], shapes[other])
        except ValueError:
            raise InvalidInput(
                f"{one} has the shape {shown(shapes[one])}, but must broadcast against {other} "
                f"of shape {shown(shapes[other])}."
            ) from None


def ratio(numerator: ArrayLike, denominator: ArrayLike, otherwise: float) -> F64:
    """``numerator / denominator`` where the denominator is positive, else ``otherwise``."""
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    safe = np.where(bottom > 0.0, bottom, 1.0)
    return np.asarray(np.where(bottom > 0.0, top / safe, otherwise))


def bisect(
    holds: Callable[[F64], ArrayLike], low: ArrayLike, high: ArrayLike, steps: int = 60
) -> tuple[F64, F64]:
    """The last argument at which a condition holds, element by element.

    Args:
        holds: Maps an array of arguments to booleans, which broadcast; true below some argument
            of [low, high] and false above it.
        low: Lower ends of the search.
        high: Upper ends of the search.
        steps: Number of halvings; 60 leave nothing between neighbouring float64 numbers.

    Returns:
        Two arrays: the last arguments found to hold, and the first found not to.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    for _ in range(steps):
        middle = np.asarray((low + high) / 2.0)
        below = holds(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low, high


def maximise(
    function: Callable[[F64], F64], low: ArrayLike, high: ArrayLike, grid: int = 97
) -> F64:
    """Argument in [low, high] at which each element of ``function`` is largest.

    A logarithmic grid finds the peak, golden sections refine it, so the function need only be
    unimodal near its maximum. The maximiser is found to about a part in ten thousand, the maximum
    itself to its square: nearer to a flat top, the last bits of the values, which are the
    processor's, would decide.

    Args:
        function: Maps an array of arguments to values; broadcasts.
        low: Lower ends, positive.
        high: Upper ends.
        grid: Number of grid points.

    Returns:
        The maximisers, in the shape of the function's values.
    """
    fractions = np.linspace(0.0, 1.0, grid)
    start, span = np.log(low), np.log(high) - np.log(low)
    best = function(np.asarray(np.exp(start)))
    where = np.zeros(best.shape)
    for fraction in fractions[1:]:
        value = function(np.asarray(np.exp(start + fraction * span)))
        better = value > best
        best, where = np.where(better, value, best), np.where(better, fraction, where)
    step = fractions[1]
    a = start + np.maximum(where - step, 0.0) * span
    b = start + np.minimum(where + step, 1.0) * span
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    value_c, value_d = function(np.exp(c)), function(np.exp(d))
    for _ in range(_SECTIONS):
        left = value_c >= value_d
        a, b = np.where(left, a, c), np.where(left, d, b)
        inner = np.where(left, b - _GOLDEN * (b - a), a + _GOLDEN * (b - a))
        value = function(np.exp(inner))
        c, d = np.where(left, inner, d), np.where(left, c, inner)
        value_c, value_d = np.where(left, value, value_d), np.where(left, value_c, value)
    return np.asarray(np.exp((a + b) / 2.0))
