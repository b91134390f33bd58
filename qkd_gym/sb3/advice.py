"""How a classical rule scores every link, as a starting point for a policy that learns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.activation import ScoredActivation
from qkd_gym.errors import InvalidInput
from qkd_gym.features import DEGREE_SCALE, FEATURE_LIMIT, LINK, NODE
from qkd_gym.jit import compiled

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


def require_raw(observation: Mapping[str, Any]) -> None:
    """Raises if features were changed on their way from the environment, as by a normalisation.

    It is seen by what the environment never observes: links that neither run nor rest, sites whose
    number of links is not whole, and advice for running links other than the constant.

    Args:
        observation: Observations with a leading batch axis B, as arrays or tensors.

    Raises:
        InvalidInput: If they are not what the environment has observed.
    """
    active = observation["links"][..., LINK.active]
    degree = DEGREE_SCALE * observation["nodes"][..., NODE.degree]
    is_raw = bool(((active == 0.0) | (active == 1.0)).all())
    is_raw &= bool(((degree > 0.5) & (abs(degree - degree.round()) < 1e-3)).all())
    if "advice" in observation:
        advice = observation["advice"][:, :-1][active > 0.5]
        is_raw &= bool((abs(advice + _RELUCTANCE) < 1e-3).all())
    if not is_raw:
        raise InvalidInput(
            "observations are normalised, but must be raw, as rules and LinkPointerPolicy read "
            "them: use VecNormalize with norm_obs=False."
        )


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
    return np.asarray(_advice(rule.gain(observation, mask), rule.least_gain))


@compiled
def _advice(gain: NDArray[np.float64], least_gain: float) -> NDArray[np.float32]:
    batch, n_links = gain.shape
    advice = np.zeros((batch, n_links + 1), np.float32)
    for b in range(batch):
        for e in range(n_links):
            value = min(max(gain[b, e] - least_gain, _LEAST), FEATURE_LIMIT)
            advice[b, e] = value if math.isfinite(gain[b, e]) else -_RELUCTANCE
    return advice
