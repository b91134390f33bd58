"""Eavesdropping through its effect on the clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym.errors import require_between


def intercept_resend_qber(qber: ArrayLike, fraction: ArrayLike) -> NDArray[np.float64]:
    """QBER when a fraction of the pulses is measured in a random basis and sent again.

    Eve's wrong basis makes every fourth of those bits random: two binary symmetric channels in
    series, E + (f / 4) (1 - 2 E) (Bennett and Brassard 1984). A full attack on an error-free
    link gives 25 %.

    Args:
        qber: Error rate without the attack, in [0, 0.5].
        fraction: Intercepted fraction f in [0, 1]; broadcasts.

    Raises:
        InvalidInput: If an argument is out of range.
    """
    require_between("qber", qber, 0.0, 0.5)
    require_between("fraction", fraction, 0.0, 1.0)
    error = np.asarray(qber, dtype=np.float64)
    return np.asarray(error + 0.25 * np.asarray(fraction, dtype=np.float64) * (1.0 - 2.0 * error))
