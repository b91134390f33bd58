"""Scratch space of compiled code, for one episode at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.compiled.vectors import LANES

_ROWS = 9  # as many as key generation needs


class Workspace(NamedTuple):
    """Numbers per link, site or request, and whole vectors more at the end.

    Attributes:
        rows: Whatever a function wants, (rows, at least E + LANES).
        stored: The same in double precision; bits in the pools, exactly, while requests are
            routed, as many.
    """

    rows: NDArray[np.float32]
    stored: NDArray[np.float64]


def new_workspace(longest: int) -> Workspace:
    """Scratch space for episodes with at most so many links, sites or requests."""
    n = longest + LANES
    return Workspace(**zeros(rows=((_ROWS, n), np.float32), stored=((n,), np.float64)))
