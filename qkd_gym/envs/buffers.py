"""Observation buffers that are written again only when nobody can see it."""

from __future__ import annotations

import sys

from qkd_gym.envs.observation import Observation, allocate
from qkd_gym.network.bank import Bank

_KEPT = 4


def _references(arrays: Observation) -> int:
    """References to the array of a buffer that is referred to most."""
    return max(map(sys.getrefcount, arrays))


class ObservationBuffers:
    """Hands out buffers that the caller of the environment holds no part of.

    An observation then belongs to whoever got it, as if it were copied, and costs no copy: a
    caller who drops each observation gets two buffers in turn, one who keeps them all gets a new
    one each time. Views, tensors and memory views of an array count as references to it.

    Args:
        batch: Number of episodes.
        bank: Networks, which set the shapes.
        decides: What a step decides.
    """

    def __init__(self, batch: int, bank: Bank, decides: int) -> None:
        self._shape = (batch, bank, decides)
        self._buffers = [allocate(*self._shape)]
        self._unused = _references(self._buffers[0])

    def free(self) -> Observation:
        """A buffer that nobody refers to."""
        for buffer in self._buffers:
            if _references(buffer) <= self._unused:
                return buffer
        if len(self._buffers) == _KEPT:
            del self._buffers[0]  # it is the caller's now
        self._buffers.append(allocate(*self._shape))
        return self._buffers[-1]
