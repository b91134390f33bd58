"""A rollout buffer that moves observations as little as possible."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sb3_contrib.common.maskable.buffers import (
    MaskableDictRolloutBuffer,
    MaskableDictRolloutBufferSamples,
)
from torch import Tensor


class LeanRolloutBuffer(MaskableDictRolloutBuffer):
    """Gives the minibatches that its base class gives, with fewer copies.

    Observations are stored here and not in the base class, so `observations` is empty. Their
    memory is used again by every rollout: the system clears fresh memory when it is first written
    to, which costs more than the writing. Each member's observations lie one after the other, as
    the minibatches count them, so they need not be sorted first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._stored: dict[str, NDArray[Any]] = {}
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        for name, array in self.observations.items():
            if name not in self._stored:
                self._stored[name] = np.zeros(array.swapaxes(0, 1).shape, array.dtype)
        self.observations = {}

    def add(self, obs: dict[str, NDArray[Any]], *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Adds a step of all members; further arguments as in the base class."""
        for name, stored in self._stored.items():
            stored[:, self.pos] = obs[name]
        super().add(obs, *args, **kwargs)

    def _get_samples(  # type: ignore[override]
        self, batch_inds: NDArray[np.int64], env: Any = None
    ) -> MaskableDictRolloutBufferSamples:
        chosen = {
            name: self.to_torch(stored.reshape(-1, *stored.shape[2:]).take(batch_inds, axis=0))
            for name, stored in self._stored.items()
        }
        return super()._get_samples(batch_inds, env)._replace(observations=chosen)

    def to_torch(self, array: NDArray[Any], copy: bool = False) -> Tensor:
        """The array as a tensor; a minibatch has been copied when it was selected."""
        return super().to_torch(array, copy)
