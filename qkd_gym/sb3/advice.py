"""How a rule or a schedule scores every link, as a starting point for a policy that learns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.activation import ScoredActivation
from qkd_gym.envs.tasks import task_of
from qkd_gym.errors import InvalidInput
from qkd_gym.features import DEGREE_SCALE, FEATURE_LIMIT, LINK, NODE
from qkd_gym.jit import compiled
from qkd_gym.sb3.named import named_schedule
from qkd_gym.scoring import ScoredSchedule

Adviser = ScoredActivation | ScoredSchedule

# No adviser makes these choices. A moderate reluctance leaves them to be tried and learned.
_RELUCTANCE = 0.6
_LEAST = -3.0


def make_adviser(name: str) -> Adviser:
    """A scored schedule, or the rule for links of a baseline, which must be one that scores them.

    Args:
        name: See `qkd_gym.sb3.named`.

    Raises:
        InvalidInput: If there is nothing of that name or it does not score links.
    """
    schedule = named_schedule(name)
    if schedule is not None:
        return schedule
    rule = make_policy(name).activation
    if not isinstance(rule, ScoredActivation):
        raise InvalidInput(
            f"adviser is {name!r}, but must be a baseline that scores links, agent:NAME or the "
            "path of a schedule's .json file."
        )
    return rule


def require_raw(observation: Mapping[str, Any]) -> None:
    """Raises if features were changed on their way from the environment, as by a normalisation.

    It is seen by what the environment never observes: links that neither run nor rest, sites whose
    number of links is not whole, and advice other than the constant for links that are never
    advised: those that run or, where these may have to make way, those that need one to.

    Args:
        observation: Observations with a leading batch axis B, as arrays or tensors.

    Raises:
        InvalidInput: If they are not what the environment has observed.
    """
    links = observation["links"]
    active = links[..., LINK.active]
    degree = DEGREE_SCALE * observation["nodes"][..., NODE.degree]
    is_raw = bool(((active == 0.0) | (active == 1.0)).all())
    is_raw &= bool(((degree > 0.5) & (abs(degree - degree.round()) < 1e-3)).all())
    if "advice" in observation:
        releases = task_of(observation).decides_releases
        never = links[..., LINK.full_endpoints] > 0.0 if releases else active > 0.5
        advice = observation["advice"][:, :-1][never]
        is_raw &= bool((abs(advice + _RELUCTANCE) < 1e-3).all())
    if not is_raw:
        raise InvalidInput(
            "observations are normalised, but must be raw, as rules and LinkPointerPolicy read "
            "them: use VecNormalize with norm_obs=False."
        )


def advise(adviser: Adviser, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """How much better than holding each choice is by the adviser, (B, E + 1).

    The last choice, to hold, has zero; the adviser makes the choice with the largest value. Where
    the operator says which links make way, a link that has to make way for others has the largest
    gain of those, and these have it once their ends are free. Choices that the adviser does not
    consider have a negative constant.

    Args:
        adviser: The rule or schedule.
        observation: Observations with a leading batch axis B.

    Raises:
        InvalidInput: If it is a schedule and the observations are not of `LinkScheduling`.
    """
    if isinstance(adviser, ScoredSchedule):
        choices = adviser.choices(observation)
        ends = np.ascontiguousarray(observation["link_endpoints"], np.int64)
        return np.asarray(_advice_on_switches(choices.gains, choices.makes_way, ends, 0.0))
    links = observation["links"].shape[1]
    mask = np.asarray(observation["action_mask"], dtype=bool)[:, -links - 1 :]
    if task_of(observation).decides_releases:
        ends = np.ascontiguousarray(observation["link_endpoints"], np.int64)
        gain, makes_way = adviser.switch_gain(observation, mask)
        return np.asarray(_advice_on_switches(gain, makes_way, ends, adviser.least_gain))
    return np.asarray(_advice(adviser.gain(observation, mask), adviser.least_gain))


@compiled
def _advice(gain: NDArray[np.float64], least_gain: float) -> NDArray[np.float32]:
    batch, n_links = gain.shape
    advice = np.zeros((batch, n_links + 1), np.float32)
    for b in range(batch):
        for e in range(n_links):
            value = min(max(gain[b, e] - least_gain, _LEAST), FEATURE_LIMIT)
            advice[b, e] = value if math.isfinite(gain[b, e]) else -_RELUCTANCE
    return advice


@compiled
def _advice_on_switches(
    gain: NDArray[Any], makes_way: NDArray[np.int64], ends: NDArray[np.int64], least_gain: float
) -> NDArray[np.float32]:
    batch, n_links = gain.shape
    advice = np.zeros((batch, n_links + 1), np.float32)
    largest = np.empty(n_links)
    for b in range(batch):
        largest[:] = -np.inf
        for e in range(n_links):
            # What is switched first on the way to the link.
            first, second = makes_way[b, ends[b, e, 0]], makes_way[b, ends[b, e, 1]]
            switch = first if first >= 0 else second if second >= 0 else e
            if math.isfinite(gain[b, e]):
                largest[switch] = max(largest[switch], gain[b, e])
        for e in range(n_links):
            value = min(max(largest[e] - least_gain, _LEAST), FEATURE_LIMIT)
            advice[b, e] = value if math.isfinite(largest[e]) else -_RELUCTANCE
    return advice
