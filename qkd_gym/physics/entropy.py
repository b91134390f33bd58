"""Binary entropy, the price of errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import xlog1py, xlogy


def binary_entropy(probability: ArrayLike) -> NDArray[np.float64]:
    """h(p) = -p log2 p - (1 - p) log2(1 - p) in bits, exact at 0 and 1; shape of ``probability``."""
    p = np.asarray(probability, dtype=np.float64)
    return np.asarray(-(xlogy(p, p) + xlog1py(1.0 - p, -p)) / np.log(2.0))


def threshold(error_correction_efficiency: float) -> float:
    """The QBER at which 1 - (1 + f) h(E) vanishes: 11.00 % for f = 1, 9.81 % for f = 1.16.

    From there on no BB84 key is left after error correction and privacy amplification (Shor and
    Preskill, PRL 85, 441 (2000)).
    """
    price = 1.0 + error_correction_efficiency
    return float(brentq(lambda e: 1.0 - price * float(binary_entropy(e)), 1e-9, 0.5, xtol=1e-14))
