"""A schedule that is searched on, from what a portfolio chooses, on the networks at hand.

None of the schedules of a portfolio has been searched for just these networks, this load and these
pools. A minute of search on training episodes there finds what they lack.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import ClassVar

import numpy as np

from qkd_gym.baselines.portfolio import Portfolio, choose_schedule
from qkd_gym.extras import require_extra
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.config import NetworkConfig
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.episodes import Episodes

_GENERATIONS, _POPULATION, _SPREAD, _SEED = 30, 16, 0.3, 0
# Episodes of a generation, fewer on large networks: links that they have together, at most.
_MOST_EPISODES, _FEWEST_EPISODES, _MOST_LINKS = 48, 8, 3000
_TRIALS = 256  # episodes on which what was found must lead by more than the error of its lead
_FIRST_SEED = 410_000  # of training episodes, after those that a portfolio is chosen on


@lru_cache(maxsize=64)  # an environment may be shown again and again
def adapt_schedule(config: NetworkConfig) -> ScoredSchedule:
    """What a short search from the portfolio's choice finds for a configuration, or that choice.

    It plays some twenty thousand episodes: a minute on one core for twenty sites, some minutes for
    a hundred. There is no opponent in them, whom an operator does not know beforehand.

    Args:
        config: The configuration; of generated networks, those of the training bank are played.

    Raises:
        MissingExtra: If the extra ``search`` is not installed.
    """
    require_extra("search", "cmaes", "tqdm")
    from tqdm import trange

    from qkd_gym.scoring.evolution import Evolution  # here, so that others need no cmaes

    chosen = choose_schedule(config)
    rehearsed, seed = config.replace(split="train", opponent=""), _FIRST_SEED
    links = shared_bank(rehearsed).max_links
    count = min(max(_MOST_LINKS // links, _FEWEST_EPISODES), _MOST_EPISODES)
    episodes = Episodes(rehearsed, count)
    evolution = Evolution(chosen.weights, _POPULATION, _SPREAD, _SEED)
    for _ in trange(_GENERATIONS, desc="adapting", delay=3.0, disable=None, leave=False):
        episodes.start(seed)
        seed += count
        evolution.tell([float(episodes.shares(each).mean()) for each in evolution.ask()])
    found, trials = evolution.found, Episodes(rehearsed, _TRIALS)
    trials.start(seed)
    lead = trials.shares(found) - trials.shares(chosen.weights)
    if lead.mean() <= lead.std() / np.sqrt(_TRIALS):
        return chosen
    return ScoredSchedule(found, f"{chosen.name}, adapted")


class Adapted(Portfolio):
    """Plays `LinkScheduling` by a schedule that a short search finds on the networks it is shown.

    Attributes:
        name: Name for reports.
        summary: What it is, in one line.
        schedule: The schedule that it plays; None before it has been shown an environment.
    """

    name: ClassVar[str] = "adapted"
    summary: ClassVar[str] = "searches on, for a minute, from what the portfolio plays"

    @staticmethod
    def choose(config: NetworkConfig) -> ScoredSchedule:
        """The schedule for a configuration, see `adapt_schedule`."""
        return adapt_schedule(config)

    @staticmethod
    def digest() -> str:
        """Changes with the members, how one is chosen and the search, as hexadecimal digits."""
        search = (
            _GENERATIONS, _POPULATION, _SPREAD, _SEED, _MOST_EPISODES, _FEWEST_EPISODES,
            _MOST_LINKS, _TRIALS, _FIRST_SEED,
        )  # fmt: skip
        return hashlib.sha256(f"{Portfolio.digest()}\n{search}".encode()).hexdigest()
