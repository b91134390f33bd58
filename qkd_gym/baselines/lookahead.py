"""Stochastic lookahead: tries first switches on imagined futures, and acts where one clearly leads.

A scored schedule says what to do unless something else is better. The candidates are its own
choice, to hold, and the links that it would gain most by; each is followed by the schedule on the
same futures, which are drawn from what the operator has seen (`qkd_gym.belief`). Acting on the
best mean whatever its error loses more by noise than it gains: an alternative must lead the
schedule's choice by a number of standard errors. Rollout policies of this kind go back to Tesauro
and Galperin (NIPS 9, 1996) and Bertsekas and Castanon (J. Heuristics 5, 1999).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.agents import REHEARSING
from qkd_gym.baselines.planned import refreshed
from qkd_gym.baselines.policy import Memory, Observation, RuleWithMemory
from qkd_gym.baselines.portfolio import Portfolio
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.observation import Observation as Buffers
from qkd_gym.envs.observation import allocate as allocate_buffers
from qkd_gym.envs.tasks import LINK_SCHEDULING, Task
from qkd_gym.errors import InvalidInput
from qkd_gym.fields import check_fields, integer, number
from qkd_gym.network.state import State, allocate
from qkd_gym.scoring import ScoredSchedule, shipped_schedule
from qkd_gym.scoring.choice import Scratch, new_scratch
from qkd_gym.scoring.policy import Choices
from qkd_gym.scoring.roll_out import NO_SWITCH, roll_out

F64 = NDArray[np.float64]
_MOST_FIRST = 3  # two links that make way, and the one that comes


@dataclass
class Lookahead(RuleWithMemory):
    """Deviates from a scored schedule where imagined futures say that it pays.

    It plays `LinkScheduling`. It must be shown the environment before the first reset, see `watch`,
    since it plans on models of it; `qkd_gym.evaluation.evaluate` does so.

    Attributes:
        schedule: What is followed otherwise, and after the first switches; the name of an agent
            that the package ships stands for it, ``"portfolio"`` for the one that does best on the
            networks of the environment, ``"adapted"`` for what a search finds there.
        candidates: Links with the largest gains that are tried, beside the schedule's choice and
            to hold.
        futures: Futures that candidates are tried on before any is given up, and between one such
            look and the next.
        most_futures: On how many futures those are tried that are left.
        finalists: How many alternatives are left after the first look.
        patience: Standard errors by which an alternative may trail without being given up.
        horizon_s: How far ahead to look.
        stock_weight: Weight of what the key is worth that pools hold then.
        significance: Standard errors by which an alternative must lead.
        budget_s: Wall time of a decision after which no further futures are tried; 0 for none, so
            that decisions do not hang on the machine.
    """

    schedule: ScoredSchedule | str = Portfolio.name
    candidates: int = integer(8, 1, 1000)
    futures: int = integer(8, 2, 10_000)
    most_futures: int = integer(40, 2, 100_000)
    finalists: int = integer(4, 1, 1000)
    patience: float = number(0.5, 0.0, 100.0)
    horizon_s: float = number(1800.0, 1.0, 1e9, unit="s")
    stock_weight: float = number(0.4, 0.0, 100.0)
    significance: float = number(1.5, 0.0, 100.0)
    budget_s: float = number(0.0, 0.0, 1e6, unit="s")

    # A decision takes tens of milliseconds.
    solves_programs: ClassVar[bool] = True
    task: ClassVar[Task] = LINK_SCHEDULING

    def __post_init__(self) -> None:
        check_fields(self)
        if isinstance(self.schedule, str) and self.schedule not in REHEARSING:
            self.schedule = shipped_schedule(self.schedule)
        self._planner: Planner | None = None

    def watch(self, env: QKDVectorEnv) -> None:
        """Plans on models of an environment from now on.

        Args:
            env: A vector environment of `LinkScheduling`, before a reset.

        Raises:
            InvalidInput: If it is of another task.
        """
        if env.task is not self.task:
            raise InvalidInput(
                f"policy is 'lookahead', but must be one that plays {env.task.name}."
            )
        env.track_belief()
        given = self.schedule
        schedule = REHEARSING[given].choose(env.config) if isinstance(given, str) else given
        self._planner = Planner(env, schedule)

    def decide(
        self, obs: Observation, mask: NDArray[np.bool_], memory: Memory, starting: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Memory]:
        """The next switches; remembers those that are still to be made in the same interval.

        Args:
            obs: The present observations of the environment that it watches.
            mask: Not read.
            memory: See `RuleWithMemory.decide`.
            starting: See there.

        Raises:
            InvalidInput: If it watches no environment.
        """
        if self._planner is None:
            raise InvalidInput(
                "policy is 'lookahead', but must be shown its environment by watch first."
            )
        nothing = np.full((len(obs["links"]), _MOST_FIRST), NO_SWITCH)
        planned = np.array(refreshed(memory, "planned", nothing, starting), np.int64)
        choices = self._planner.schedule.choices(obs)
        for b in np.flatnonzero(planned[:, 0] == NO_SWITCH):
            links = self._decide(obs, choices, int(b))
            planned[b, : len(links)] = links
        actions = planned[:, 0].copy()
        return actions, {"planned": np.column_stack([planned[:, 1:], nothing[:, :1]])}

    def _decide(self, obs: Observation, choices: Choices, b: int) -> list[int]:
        """What one member switches next, one after the other."""
        began = time.perf_counter()
        planner = self._planner
        assert planner is not None
        firsts = first_switches(obs, choices, b, self.candidates)
        if len(firsts) == 1:
            return [int(choices.links[b])]
        alive = np.arange(len(firsts))
        lead = np.zeros((len(firsts), 0))
        while True:
            values = planner.values(
                b, firsts[alive], self.futures, self.horizon_s, self.stock_weight
            )
            lead = np.concatenate([lead, values - values[0]], axis=1)
            mean = lead.mean(axis=1)
            error = lead.std(axis=1, ddof=1) / np.sqrt(lead.shape[1])
            is_late = bool(self.budget_s) and time.perf_counter() - began > self.budget_s
            if is_late or lead.shape[1] >= self.most_futures:
                break
            # Those that may still turn out to be better, the best of them.
            order = 1 + np.argsort(-mean[1:], kind="stable")[: self.finalists]
            order = order[mean[order] > -self.patience * error[order]]
            if not len(order):
                return [int(choices.links[b])]
            kept = np.concatenate([[0], order])
            alive, lead = alive[kept], lead[kept]
        score = mean - self.significance * error
        score[0] = 0.0
        chosen = firsts[alive[int(score.argmax())]]
        first = [int(link) for link in chosen if link != NO_SWITCH]
        return first or [int(choices.links[b])]


def first_switches(
    obs: Observation, choices: Choices, b: int, candidates: int
) -> NDArray[np.int64]:
    """First switches of what may be tried: the schedule's choice, to hold, and other links.

    Args:
        obs: Observations.
        choices: What the schedule thinks of them.
        b: Number of the observation.
        candidates: How many other links, those with the largest gains.

    Returns:
        Links to switch one after the other, (C, 3), filled up with `NO_SWITCH`; the first row,
        without any, goes on by the schedule.
    """
    hold, ends = obs["links"].shape[1], obs["link_endpoints"][b]
    rows = [[]] if choices.links[b] == hold else [[], [hold]]
    # The link of the largest gain is the schedule's choice, unless it holds.
    order = np.argsort(-choices.gains[b], kind="stable")[len(rows) - 1 :][:candidates]
    for e in order[np.isfinite(choices.gains[b][order])].tolist():
        way = [int(link) for link in choices.makes_way[b][ends[e]] if link >= 0]
        rows.append([*dict.fromkeys(way), e])
    firsts = np.full((len(rows), _MOST_FIRST), NO_SWITCH)
    for row, links in zip(firsts, rows, strict=True):
        row[: len(links)] = links
    return firsts


class Planner:
    """What roll-outs need of an environment, made once.

    Args:
        env: The environment.
        schedule: What is followed.
        peek: Whether futures start from the true hidden state, see `Branching.branch`.
    """

    def __init__(self, env: QKDVectorEnv, schedule: ScoredSchedule, peek: bool = False) -> None:
        sim = env.core.simulator
        self._env, self.schedule, self._peek = env, schedule, peek
        in_blocks = len(sim.bank.sifted_per_block) > 0
        self._copy: State = allocate(env.config, 1, sim.n_sites, sim.max_links, in_blocks=in_blocks)
        self._buffers: Buffers = allocate_buffers(self._copy, sim.bank, env.task)
        self._scratch: Scratch = new_scratch(sim.max_links, self._buffers.nodes.shape[2])
        self._interval_s = float(sim.params["interval_s"][0])

    def values(
        self,
        b: int,
        firsts: NDArray[np.int64],
        futures: int,
        horizon_s: float,
        stock_weight: float,
    ) -> F64:
        """Value of every candidate on futures of a member, (C, futures), in bits.

        Args:
            b: The member.
            firsts: See `first_switches`.
            futures: How many.
            horizon_s: See `Lookahead`.
            stock_weight: See there.
        """
        model = self._env.branch(futures, [b], peek=self._peek).simulator
        values = np.empty((len(firsts), futures))
        roll_out(
            self.schedule.weights, model.arrays, self._copy, self._buffers, model.bank,
            model.params, firsts, int(np.ceil(horizon_s / self._interval_s)),
            stock_weight, model.work, self._scratch, values,
        )  # fmt: skip
        return values
