"""A portfolio of schedules: of several, it plays the one that does best on the networks at hand.

A schedule that was searched on networks of one kind may lose to a plain rule on another. Which does
best somewhere can be tried before the first episode there, as an episode takes milliseconds in
compiled code: an operator knows the network and how busy it is, and simulates it. Choosing one of
several algorithms for the problem at hand goes back to Rice (Adv. Comput. 15, 1976); how trials are
shared out is successive halving (Karnin, Koren and Somekh, ICML 2013).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines import tuned
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import InvalidInput
from qkd_gym.network.config import NetworkConfig
from qkd_gym.scoring import ScoredSchedule, shipped_schedule, shipped_schedules
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.scoring.weights import halved, rule_weights

_RULE = "demand-deficit"
# Scenarios that the rule was tuned for, as far as its parameters differ.
_TUNED_FOR = ("metro", "hidden", "metro-slow", "metro-instant", "slovenia")
# Max-weight with the first power of the deficit: on some networks of which more is asked than their
# links can make, the other members value rate too little.
_MAX_WEIGHT = {
    "kappa": 0.0,
    "demand_power": 0.0,
    "rate_power": 1.0,
    "cover_weight": 0.0,
    "least_gain": 0.3,
}
_HYSTERESES = (1.0, 4.0)
# New training episodes that those left play in every round, after which the better half is left.
_ROUNDS = (16, 16, 32, 64)
_FIRST_SEED = 400_000  # of training episodes, which end before those of validation


def members() -> tuple[ScoredSchedule, ...]:
    """The schedules that ship, half of what each adds to its rule, a rule as it was tuned for
    several scenarios, and max-weight; of equals the first is taken."""
    agents = tuple(map(shipped_schedule, shipped_schedules()))
    halves = (ScoredSchedule(halved(each.weights), f"{each.name}, halved") for each in agents)
    name = f"{LINK_SCHEDULING.name}:{_RULE}"
    rules = (
        ScoredSchedule(rule_weights(tuned.parameters(name, scenario)), f"{_RULE}, {scenario}")
        for scenario in _TUNED_FOR
    )
    max_weights = (
        ScoredSchedule(
            rule_weights({**_MAX_WEIGHT, "hysteresis": hysteresis}),
            f"max-weight, hysteresis {hysteresis:g}",
        )
        for hysteresis in _HYSTERESES
    )
    return (*agents, *halves, *rules, *max_weights)


@lru_cache(maxsize=64)  # an environment may be shown again and again
def choose_schedule(config: NetworkConfig) -> ScoredSchedule:
    """The member that delivers most on training episodes of a configuration.

    It plays some eight hundred episodes: seconds for tens of sites, a minute for a hundred. There
    is no opponent in them, whom an operator does not know beforehand.

    Args:
        config: The configuration; of generated networks, those of the training bank are played.
    """
    left = list(members())
    shares: dict[str, list[float]] = {member.name: [] for member in left}
    rehearsed, seed = config.replace(split="train", opponent=""), _FIRST_SEED
    for count in _ROUNDS:
        episodes = Episodes(rehearsed, count)
        episodes.start(seed)
        seed += count
        for member in left:
            shares[member.name] += episodes.shares(member.weights).tolist()
        left.sort(key=lambda member: -float(np.mean(shares[member.name])))  # stable
        left = left[: -(-len(left) // 2)]
    return left[0]


class Portfolio:
    """Plays `LinkScheduling` by the schedule that does best on the networks that it is shown.

    Attributes:
        name: Name for reports.
        summary: What it is, in one line.
        schedule: The schedule that it plays; None before it has been shown an environment.
    """

    env_id: ClassVar[str] = LINK_SCHEDULING.env_id
    name: ClassVar[str] = "portfolio"
    summary: ClassVar[str] = (
        "plays the agent, or the rule, that does best on the networks it is shown"
    )

    def __init__(self) -> None:
        self.schedule: ScoredSchedule | None = None

    @staticmethod
    def choose(config: NetworkConfig) -> ScoredSchedule:
        """The schedule for a configuration, see `choose_schedule`."""
        return choose_schedule(config)

    def watch(self, env: QKDVectorEnv) -> None:
        """Takes a schedule for an environment's networks by `choose`.

        `qkd_gym.evaluation.evaluate` calls it before the first episode.

        Args:
            env: A vector environment.
        """
        self.schedule = self.choose(env.config)

    def predict(
        self,
        obs: Mapping[str, NDArray[Any]],
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Actions for one observation or a batch, as the chosen schedule has them.

        Raises:
            InvalidInput: If it has been shown no environment.
        """
        if self.schedule is None:
            raise InvalidInput(
                f"policy is '{self.name}', but must be shown its environment by watch first."
            )
        return self.schedule.predict(obs, state, episode_start, deterministic)

    @staticmethod
    def digest() -> str:
        """Changes with the members and how one is chosen, as hexadecimal digits."""
        facts = [*(member.digest() for member in members()), str(_ROUNDS), str(_FIRST_SEED)]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()
