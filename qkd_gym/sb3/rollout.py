"""A rollout buffer that moves observations as little as possible."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer
from torch import Tensor


class LeanRolloutBuffer(MaskableDictRolloutBuffer):
    """Gives the minibatches that its base class gives, with fewer copies.

    The memory of observations is kept from rollout to rollout: the system clears fresh memory when
    it is first written to, which costs more than the writing. Each member's observations lie one
    after the other, as the minibatches count them, so they need not be sorted first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._kept: dict[str, NDArray[Any]] = {}
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        if not self._kept:
            for name, array in self.observations.items():
                by_member = np.zeros(array.swapaxes(0, 1).shape, array.dtype)
                self._kept[name] = by_member.swapaxes(0, 1)
        self.observations = dict(self._kept)

    def to_torch(self, array: NDArray[Any], copy: bool = False) -> Tensor:
        """The array as a tensor; a minibatch has been copied when it was selected."""
        return super().to_torch(array, copy)
