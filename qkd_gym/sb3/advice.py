"""How a classical rule scores every link, as a starting point for a policy that learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.activation import ScoredActivation
from qkd_gym.errors import InvalidInput
from qkd_gym.features import FEATURE_LIMIT

# Rules never switch a link off alone. A moderate reluctance leaves that to be tried and learned.
_RELUCTANCE = 0.6
_LEAST = -3.0


def make_adviser(name: str) -> ScoredActivation:
    """The rule for links of a baseline, which must be one that scores them.

    Raises:
        InvalidInput: If there is no such baseline or it does not score links.
    """
    rule = make_policy(name).activation
    if not isinstance(rule, ScoredActivation):
        raise InvalidInput(f"adviser is {name!r}, but must be a baseline that scores links.")
    return rule


def advise(rule: ScoredActivation, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """How much better than holding each choice is by the rule, (B, E + 1).

    The last choice, to hold, has zero; the rule makes the choice with the largest value. Choices
    that it does not consider, running links above all, have a negative constant.

    Args:
        rule: The rule.
        observation: Observations with a leading batch axis B.
    """
    links = observation["links"].shape[1]
    mask = np.asarray(observation["action_mask"], dtype=bool)[:, -links - 1 :]
    gain = rule.gain(observation, mask) - rule.least_gain
    advice = np.zeros((len(gain), links + 1), np.float32)
    advice[:, :-1] = np.where(np.isfinite(gain), gain.clip(_LEAST, FEATURE_LIMIT), -_RELUCTANCE)
    return advice
