"""What no protocol can exceed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym.errors import require_between


def plob_bound(transmittance: ArrayLike) -> NDArray[np.float64]:
    """Secret key capacity of a lossy channel without repeaters, in bits per mode.

    -log2(1 - eta); Pirandola, Laurenza, Ottaviani and Banchi, Nat. Commun. 8, 15043 (2017).

    Args:
        transmittance: Transmittance eta in [0, 1], any shape.

    Returns:
        The bound in the same shape; infinite for a lossless channel.

    Raises:
        InvalidInput: If a transmittance lies outside [0, 1].
    """
    require_between("transmittance", transmittance, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log1p(-np.asarray(transmittance, dtype=np.float64)) / np.log(2.0))
