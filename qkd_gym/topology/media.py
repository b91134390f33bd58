"""What links that nobody has measured lose."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.physics import Fiber, FreeSpace
from qkd_gym.physics.numerics import F64

_FIBER, _FREE_SPACE = Fiber(), FreeSpace()


def default_loss_db(length_km: ArrayLike, free_space: ArrayLike) -> F64:
    """Channel loss of links in dB, of the shape of the lengths.

    Args:
        length_km: Lengths in km, from 0.
        free_space: Whether each link crosses air: `qkd_gym.physics.FreeSpace` with its defaults, in
            clear air; else it is `qkd_gym.physics.Fiber` of 0.2 dB/km.
    """
    return np.where(free_space, _FREE_SPACE.loss_db(length_km), _FIBER.loss_db(length_km))
