"""Fading by atmospheric turbulence, averaged over an interval.

The air changes within milliseconds, so over a second a link yields the mean of its rate over the
fading, not the rate at the mean loss.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_integer
from qkd_gym.physics.numerics import F64, checked, checked_transmittance
from qkd_gym.physics.protocols.base import LinkBudget, Protocol


def rytov_variance(length_km: ArrayLike, cn2: ArrayLike, wavelength_nm: float = 1550.0) -> F64:
    """Variance of the log-intensity of a plane wave, 1.23 Cn2 k^(7/6) L^(11/6).

    Args:
        length_km: Length L of the path in km, any shape.
        cn2: Refractive-index structure constant Cn2 in m^(-2/3); 1e-15 is weak, 1e-13 strong.
        wavelength_nm: Wavelength in nm, 2 pi over the wave number k.

    Source: Andrews, Phillips, Laser Beam Propagation through Random Media (2005), Ch. 8.

    Raises:
        InvalidInput: If an argument is negative.
    """
    metres = checked("length_km", length_km, unit="km") * 1e3
    structure = checked("cn2", cn2, unit="m^(-2/3)")
    wavelength_m = checked("wavelength_nm", wavelength_nm, low_open=True, unit="nm") * 1e-9
    wave_number = 2.0 * np.pi / wavelength_m
    return np.asarray(1.23 * structure * wave_number ** (7 / 6) * metres ** (11 / 6))


def log_normal_fading(variance: ArrayLike, points: int = 32) -> tuple[F64, F64]:
    """Nodes and weights of a unit-mean log-normal factor, for weak turbulence (variance < 1).

    Args:
        variance: Variance s of the factor's logarithm, which is normal with mean -s / 2.
        points: Number of nodes.

    Returns:
        Factors of shape (points, *variance.shape) and weights (points,) that sum to 1.

    Raises:
        InvalidInput: If the variance is negative.
    """
    s = checked("variance", variance)
    require_integer("points", points, 1)
    x, weights = np.polynomial.hermite_e.hermegauss(points)
    nodes = x.reshape(-1, *([1] * s.ndim))
    return np.exp(nodes * np.sqrt(s) - s / 2.0), weights / weights.sum()


def gamma_gamma_fading(variance: ArrayLike, points: int = 24) -> tuple[F64, F64]:
    """Nodes and weights of a unit-mean gamma-gamma factor, for strong turbulence.

    Args:
        variance: Rytov variance, positive, any shape; see `rytov_variance`.
        points: Nodes per gamma factor, of which there are two.

    Returns:
        Factors of shape (points^2, *variance.shape) and weights of the same shape.

    Source: Al-Habash, Andrews, Phillips, Opt. Eng. 40, 1554 (2001), plane wave.

    Raises:
        InvalidInput: If the variance is not positive.
    """
    s = checked("variance", variance, low_open=True)
    require_integer("points", points, 1)
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
    protocol: Protocol, transmittance: ArrayLike, factors: F64, weights: F64
) -> LinkBudget:
    """Budget of a link averaged over its fading.

    Args:
        protocol: Source, receiver and post-processing of the link.
        transmittance: Mean transmittance of the channel, in [0, 1].
        factors: Fading factors, nodes on the leading axis, broadcasting against the transmittance.
        weights: Weights of the factors, one per node or of the factors' shape.

    Returns:
        Mean gain and key; error rates are means weighted with the gain.

    Raises:
        InvalidInput: If a transmittance is outside [0, 1].
    """
    eta = checked_transmittance(transmittance)
    faded = np.minimum(factors * eta, 1.0)
    w = weights.reshape(weights.shape + (1,) * (faded.ndim - weights.ndim))
    budget = protocol.evaluate(faded)
    seen = w * budget.gain
    means = {name: (w * value).sum(axis=0) for name, value in vars(budget).items()}
    for name in ("qber", "single_photon_qber"):
        means[name] = (seen * getattr(budget, name)).sum(axis=0) / seen.sum(axis=0)
    return LinkBudget(**means)
