"""What the gains of several intensities say about single photons.

Asymptotic bounds of Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005), "MQZL" below. Each returns a lower
bound on the single-photon yield and an upper bound on the single-photon error rate; an infeasible
bound falls to a yield of 0 or rises to an error of 1/2, never the other way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc

from qkd_gym.physics.clicks import Clicks
from qkd_gym.physics.numerics import F64, ratio

MIN_MEAN_PHOTONS, MAX_MEAN_PHOTONS = 1e-9, 100.0
"""Range of the mean photon number of a weak pulse; beyond it, formulas would leave doubles'."""


class SinglePhotons(NamedTuple):
    """Click probability and error rate of single-photon pulses, float64 arrays of one shape."""

    yield_: F64
    error: F64


def two_decoys(
    signal: Clicks,
    weak: Clicks,
    weakest: Clicks,
    mean_photon_number: ArrayLike,
    weak_number: ArrayLike,
    weakest_number: ArrayLike,
) -> SinglePhotons:
    """Bounds from a signal and two decoys; numbers and clicks of any shapes that broadcast.

    Args:
        signal: Clicks at the signal intensity.
        weak: Clicks at the stronger decoy.
        weakest: Clicks at the weaker decoy, possibly vacuum.
        mean_photon_number: Mean photon number mu of the signal.
        weak_number: Mean photon number nu1 of the stronger decoy; nu1 + nu2 < mu.
        weakest_number: Mean photon number nu2 of the weaker decoy, below nu1.

    Source: MQZL Eqs. 18, 21, 25; with a vacuum decoy Eqs. 34, 35, 37.
    """
    mu = np.asarray(mean_photon_number, dtype=np.float64)
    nu1 = np.asarray(weak_number, dtype=np.float64)
    nu2 = np.asarray(weakest_number, dtype=np.float64)
    up1, up2 = np.exp(nu1), np.exp(nu2)
    y0 = np.maximum((nu1 * weakest.gain * up2 - nu2 * weak.gain * up1) / (nu1 - nu2), 0.0)
    spread = nu1**2 - nu2**2
    multiple = spread / mu**2 * (signal.gain * np.exp(mu) - y0)
    singles = weak.gain * up1 - weakest.gain * up2 - multiple
    y1 = mu / (mu * (nu1 - nu2) - spread) * singles
    errors = (weak.error_gain * up1 - weakest.error_gain * up2) / (nu1 - nu2)
    return _clamped(y1, errors)


def one_decoy(
    signal: Clicks, weak: Clicks, mean_photon_number: ArrayLike, weak_number: ArrayLike
) -> SinglePhotons:
    """Bounds from a signal and one decoy, with the largest background that its errors allow.

    Args:
        signal: Clicks at the signal intensity.
        weak: Clicks at the decoy.
        mean_photon_number: Mean photon number mu of the signal; broadcasts.
        weak_number: Mean photon number nu of the decoy, below mu; broadcasts.

    Source: MQZL Sec. IV D.
    """
    mu = np.asarray(mean_photon_number, dtype=np.float64)
    nu = np.asarray(weak_number, dtype=np.float64)
    errors = weak.error_gain * np.exp(nu)
    empty = (mu**2 - nu**2) / mu**2 * (2.0 * errors)
    singles = weak.gain * np.exp(nu) - signal.gain * np.exp(mu) * nu**2 / mu**2 - empty
    return _clamped(mu / (mu * nu - nu**2) * singles, errors / nu)


def _clamped(y1: F64, single_photon_errors: F64) -> SinglePhotons:
    y1 = np.maximum(y1, 0.0)
    return SinglePhotons(y1, np.clip(ratio(single_photon_errors, y1, 0.5), 0.0, 0.5))


def untagged(signal: Clicks, mean_photon_number: ArrayLike) -> SinglePhotons:
    """Bounds without decoys: the eavesdropper knows every pulse of two or more photons.

    The yield is that of the remaining pulses of zero or one photon, which carry all errors. The
    clicks are those of the signal, and broadcast against its mean photon number mu.

    Source: Gottesman, Lo, Luetkenhaus, Preskill, Quant. Inf. Comput. 4, 325 (2004); Lo, Ma, Chen,
    PRL 94, 230504 (2005), Eqs. 12-13.
    """
    mu = np.asarray(mean_photon_number, dtype=np.float64)
    clicks = np.maximum(signal.gain - multi_photon_probability(mu), 0.0)
    error = np.minimum(ratio(signal.error_gain, clicks, 0.5), 0.5)
    return SinglePhotons(clicks / ((1.0 + mu) * np.exp(-mu)), error)


def multi_photon_probability(mean_photon_number: ArrayLike) -> F64:
    """Probability of two or more photons, 1 - (1 + mu) exp(-mu), accurate for small mu."""
    return np.asarray(gammainc(2.0, np.asarray(mean_photon_number, dtype=np.float64)))
