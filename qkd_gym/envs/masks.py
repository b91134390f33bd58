"""Action masks as Gymnasium's spaces take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Mask = NDArray[np.int8]


def sample_mask(
    info: Mapping[str, Any], action_space: spaces.Discrete | spaces.MultiDiscrete
) -> Mask | tuple[Mask, ...]:
    """The legal actions for ``action_space.sample(mask=...)``.

    Args:
        info: Of a reset or step of a single environment, or its observation: both have the
            ``action_mask``, flattened.
        action_space: The environment's.

    Returns:
        int8 of shape (actions,) for `Discrete`; for `MultiDiscrete` a tuple of such, one for each
        decision.
    """
    flat = np.asarray(info["action_mask"]).astype(np.int8)
    if isinstance(action_space, spaces.Discrete):
        return flat
    return tuple(np.split(flat, np.cumsum(action_space.nvec)[:-1]))
