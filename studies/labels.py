"""Labels of decisions: what a schedule could have switched first, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.lookahead import Planner, first_switches
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.choice import new_scratch
from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.policy import Choices
from qkd_gym.scoring.roll_out import NO_SWITCH

F32 = NDArray[np.float32]
_WAYS = 2  # links that make way for another


class Labels(NamedTuple):
    """D labelled decisions of a schedule with at most C candidates of F inputs.

    The first candidate is the schedule's choice. Everything is zero where there is no candidate.

    Attributes:
        exists: Which are candidates, (D, C).
        wants: Which of them switch a link on, (D, C); the others hold.
        on: Inputs of the link that is switched on, (D, C, F).
        off: Inputs of the links that make way for it, (D, C, 2, F).
        makes_way: Which of these there are, (D, C, 2).
        lead: Mean lead over the schedule's choice on the same futures, (D, C), in points, which are
            hundredths of the key that an episode asks for.
        error: Standard error of the lead, (D, C).
    """

    exists: NDArray[np.bool_]
    wants: NDArray[np.bool_]
    on: F32
    off: F32
    makes_way: NDArray[np.bool_]
    lead: F32
    error: F32


@dataclass(frozen=True)
class Labelling:
    """How decisions are labelled.

    Attributes:
        episodes: Training episodes that the schedule plays.
        share: Share of its decisions that are labelled.
        candidates: As `qkd_gym.baselines.lookahead.Lookahead` has them, as what follows.
        futures: Futures of every decision, all of its candidates.
        horizon_s: How far ahead to look.
        stock_weight: Weight of what the key is worth that pools hold then.
    """

    episodes: int = 16
    share: float = 0.06
    candidates: int = 8
    futures: int = 8
    horizon_s: float = 1800.0
    stock_weight: float = 0.4


def gather(
    told: Labelling, schedule: ScoredSchedule, network: Mapping[str, Any], seed: int
) -> Labels:
    """Plays a schedule on training episodes and labels some of its decisions.

    Futures start from the true hidden state, which costs a fraction of imagined ones: what is
    fitted sees observations alone, and so learns the mean over the hidden states behind each.

    Args:
        told: How.
        schedule: The schedule.
        network: Keyword arguments of the environment.
        seed: Seed of the first episode, and of which decisions are labelled.
    """
    settings = {**network, "split": "train"}
    env = cast("QKDVectorEnv", gym.make_vec(LINK_SCHEDULING.env_id, told.episodes, **settings))
    rng, rows = np.random.default_rng(seed), []
    planner = Planner(env, schedule, peek=True)
    obs, _ = env.reset(seed=seed)
    playing, offered_bits = np.ones(told.episodes, bool), 0.0
    while playing.any():
        choices = schedule.choices(obs)
        labelled = playing & (rng.random(told.episodes) < told.share)
        for b in np.flatnonzero(labelled).tolist():
            firsts = first_switches(obs, choices, b, told.candidates)
            values = planner.values(b, firsts, told.futures, told.horizon_s, told.stock_weight)
            rows.append(_row(told, schedule, obs, choices, b, firsts, values - values[0]))
        obs, _, over, cut, infos = env.step(choices.links)
        offered_bits += float(infos["offered_bits"][playing].sum())
        playing &= ~(over | cut)
    env.close()
    labels = Labels(*(np.stack(column) for column in zip(*rows, strict=True)))
    points = np.float32(100.0 * told.episodes / offered_bits)
    return labels._replace(lead=labels.lead * points, error=labels.error * points)


def joined(parts: list[Labels]) -> Labels:
    """Labels of several gatherings."""
    return Labels(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _row(
    told: Labelling,
    schedule: ScoredSchedule,
    obs: Mapping[str, NDArray[Any]],
    choices: Choices,
    b: int,
    firsts: NDArray[np.int64],
    lead: NDArray[np.float64],
) -> Labels:
    """One decision."""
    hold, sites = obs["links"].shape[1], obs["nodes"].shape[1]
    scratch = new_scratch(hold, sites)
    schedule.choices({name: array[b : b + 1] for name, array in obs.items()}, scratch)
    most, count = told.candidates + 2, len(firsts)
    row = Labels(
        exists=np.arange(most) < count,
        wants=np.zeros(most, bool),
        on=np.zeros((most, len(INPUT_NAMES)), np.float32),
        off=np.zeros((most, _WAYS, len(INPUT_NAMES)), np.float32),
        makes_way=np.zeros((most, _WAYS), bool),
        lead=np.zeros(most, np.float32),
        error=np.zeros(most, np.float32),
    )
    row.lead[:count] = lead.mean(axis=1)
    row.error[:count] = lead.std(axis=1, ddof=1) / np.sqrt(told.futures)
    for c, first in enumerate(firsts):
        links = [int(link) for link in first if link != NO_SWITCH] or _own(obs, choices, b)
        if links != [hold]:
            *way, wanted = links
            row.wants[c] = True
            row.on[c] = scratch.inputs[:, wanted]
            row.off[c, : len(way)] = scratch.inputs[:, way].T
            row.makes_way[c, : len(way)] = True
    return row


def _own(obs: Mapping[str, NDArray[Any]], choices: Choices, b: int) -> list[int]:
    """All that the schedule switches for what it wants, one after the other."""
    hold = obs["links"].shape[1]
    if choices.links[b] == hold:
        return [hold]
    wanted = int(choices.gains[b].argmax())
    way = choices.makes_way[b][obs["link_endpoints"][b, wanted]]
    return [*dict.fromkeys(int(link) for link in way if link >= 0), wanted]
