"""Fading by atmospheric turbulence, averaged over an interval.

The air changes within milliseconds, so over a second a link yields the mean of its rate over the
fading, not the rate at the mean loss.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import InvalidInput, require_instance, require_integer, shown
from qkd_gym.physics.detector import array_fields
from qkd_gym.physics.numerics import (
    F64,
    checked,
    checked_length_km,
    checked_transmittance,
    checked_wavelength_m,
    ratio,
    require_broadcast,
)
from qkd_gym.physics.protocols.base import LinkBudget, Protocol

_MAX_POINTS = 100


def rytov_variance(length_km: ArrayLike, cn2: ArrayLike, wavelength_nm: float = 1550.0) -> F64:
    """Variance of the log-intensity of a plane wave, 1.23 Cn2 k^(7/6) L^(11/6).

    Args:
        length_km: Length L of the path in km, any shape.
        cn2: Refractive-index structure constant Cn2 in m^(-2/3), up to 1e-6; 1e-15 is weak, 1e-13
            strong.
        wavelength_nm: Wavelength in nm, 2 pi over the wave number k.

    Source: Andrews, Phillips, Laser Beam Propagation through Random Media (2005), Ch. 8.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.
    """
    metres = checked_length_km(length_km) * 1e3
    structure = checked("cn2", cn2, 0.0, 1e-6, unit="m^(-2/3)")
    wavelength_m = checked_wavelength_m(wavelength_nm)
    require_broadcast({"length_km": metres, "cn2": structure, "wavelength_nm": wavelength_m})
    wave_number = 2.0 * np.pi / wavelength_m
    return np.asarray(1.23 * structure * wave_number ** (7 / 6) * metres ** (11 / 6))


def log_normal_fading(variance: ArrayLike, points: int = 32) -> tuple[F64, F64]:
    """Nodes and weights of a unit-mean log-normal factor, for weak turbulence (variance < 1).

    Args:
        variance: Variance s of the factor's logarithm, which is normal with mean -s / 2; in
            [0, 10], any shape.
        points: Number of nodes, at most 100.

    Returns:
        Factors of shape (points, *variance.shape) and weights (points,) that sum to 1.

    Raises:
        InvalidInput: If an argument is out of range.
    """
    s = checked("variance", variance, 0.0, 10.0)
    require_integer("points", points, 1, _MAX_POINTS)
    x, weights = np.polynomial.hermite_e.hermegauss(points)
    nodes = x.reshape(-1, *([1] * s.ndim))
    return np.exp(nodes * np.sqrt(s) - s / 2.0), weights / weights.sum()


def gamma_gamma_fading(variance: ArrayLike, points: int = 24) -> tuple[F64, F64]:
    """Nodes and weights of a unit-mean gamma-gamma factor, for strong turbulence.

    Args:
        variance: Rytov variance in [1e-6, 1e6], any shape; see `rytov_variance`.
        points: Nodes per gamma factor, of which there are two; at most 100.

    Returns:
        Factors of shape (points^2, *variance.shape) and weights of the same shape.

    Source: Al-Habash, Andrews, Phillips, Opt. Eng. 40, 1554 (2001), plane wave.

    Raises:
        InvalidInput: If an argument is out of range.
    """
    s = checked("variance", variance, 1e-6, 1e6)
    require_integer("points", points, 1, _MAX_POINTS)
    large = 1.0 / np.expm1(0.49 * s / (1.0 + 1.11 * s**1.2) ** (7 / 6))
    small = 1.0 / np.expm1(0.51 * s / (1.0 + 0.69 * s**1.2) ** (5 / 6))
    (x, wx), (y, wy) = _gamma_rule(large, points), _gamma_rule(small, points)
    shape = (points**2, *s.shape)
    return (x[:, None] * y).reshape(shape), (wx[:, None] * wy).reshape(shape)


def _gamma_rule(shape: F64, points: int) -> tuple[F64, F64]:
    """Gauss quadrature of unit-mean gamma distributions from their Jacobi matrices."""
    k, a = np.arange(points), shape[..., None]
    jacobi = np.zeros((*shape.shape, points, points))
    jacobi[..., k, k] = 2.0 * k + a
    jacobi[..., k[1:], k[:-1]] = np.sqrt(k[1:] * (k[1:] + a - 1.0))  # eigh reads this half only
    nodes, vectors = np.linalg.eigh(jacobi)
    return np.moveaxis(nodes / a, -1, 0), np.moveaxis(vectors[..., 0, :] ** 2, -1, 0)


def fading_average(
    protocol: Protocol, transmittance: ArrayLike, factors: ArrayLike, weights: ArrayLike
) -> LinkBudget:
    """Budget of links averaged over their fading.

    Args:
        protocol: Source, receiver and post-processing of the links.
        transmittance: Mean transmittance of the channel, in [0, 1], any shape.
        factors: Fading factors, not negative. The leading axis is that of the nodes; the others,
            if any, broadcast against the transmittance.
        weights: Weights of the nodes, not negative, one per node or of the factors' shape; their
            sum over the nodes is 1.

    Returns:
        Mean gain and key in the shape of the transmittance, broadcast against the factors without
        their leading axis and against the protocol's own arrays. Error rates are means weighted
        with the gain, and 1/2 where nothing ever clicks.

    Raises:
        InvalidInput: If an argument is out of range or of another shape.
    """
    require_instance("protocol", protocol, Protocol)
    eta, factor = checked_transmittance(transmittance), checked("factors", factors)
    weight = checked("weights", weights, 0.0, 1.0)
    if factor.ndim == 0 or weight.shape not in ((len(factor),), factor.shape):
        raise InvalidInput(
            f"weights has the shape {shown(weight.shape)}, but must have one weight for each node "
            f"on the leading axis of factors, whose shape is {shown(factor.shape)}."
        )
    if not np.allclose(weight.sum(axis=0), 1.0, rtol=0.0, atol=1e-6):
        raise InvalidInput("weights must sum to 1 over the nodes, on the leading axis.")
    links = array_fields(protocol)
    require_broadcast({"factors of one node": factor[0], "transmittance": eta, **links})
    dimensions = max(np.ndim(each) for each in (factor[0], eta, *links.values()))
    factor, w = _nodes_first(factor, dimensions), _nodes_first(weight, dimensions)
    budget = protocol.evaluate(np.minimum(factor * eta, 1.0))
    means = {name: (w * value).sum(axis=0) for name, value in vars(budget).items()}
    seen = w * budget.gain
    for name in ("qber", "single_photon_qber"):
        wrong = (seen * getattr(budget, name)).sum(axis=0)
        means[name] = np.minimum(ratio(wrong, means["gain"], 0.5), 0.5)
    return LinkBudget(**means)


def _nodes_first(values: F64, dimensions: int) -> F64:
    """The values with as many axes behind the leading one as the links have."""
    padding = (1,) * (dimensions + 1 - values.ndim)
    return values.reshape(len(values), *padding, *values.shape[1:])
