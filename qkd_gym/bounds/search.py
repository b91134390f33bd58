"""Improves a plan for one episode by trying every single change in the simulator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.activation import DemandDeficit
from qkd_gym.bounds.horizon import plan_ahead, slot_intervals
from qkd_gym.bounds.rollout import FOLLOW, HOLD, action_of, next_entry, try_entries
from qkd_gym.bounds.trace import episode_trace, start_episode
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.state import DELIVERED, State, allocate

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def rule_weights(rule: DemandDeficit) -> F64:
    """The rule's parameters in the order that compiled code reads them."""
    return np.array(
        [
            rule.hysteresis,
            rule.least_gain,
            rule.dwell_s,
            rule.kappa,
            rule.demand_power,
            rule.rate_power,
            rule.rate_gate,
            rule.cover_weight,
        ]
    )


class EpisodeSearch:
    """Plays plans of one episode in a simulator that knows its future.

    Args:
        config: Configuration of the episode.
        seed: Its seed.

    Attributes:
        intervals: Intervals of the episode.
    """

    def __init__(self, config: NetworkConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        simulator = start_episode(config, seed)
        self._simulator = simulator
        network = int(simulator.state.episodes["network"][0])
        self.n_links = int(simulator.bank.networks["n_links"][network])
        self.intervals = int(simulator.params["intervals"][0])
        self._copies = allocate(config, self.n_links + 3, simulator.n_sites, simulator.max_links)

    def delivered_bits(self, plan: I64, weights: F64) -> int:
        """What a plan delivers in the whole episode."""
        start = start_episode(self._config, self._seed)
        return int(self._try(start.arrays, plan[:1], plan, 0, weights)[0])

    def best_rule(self, trials: int, rng: np.random.Generator) -> tuple[F64, int]:
        """Weights of the rule that deliver most in hindsight, and what they deliver.

        Args:
            trials: Random points of the rule's search space, tried beside its defaults.
            rng: Draws them.
        """
        space = DemandDeficit.search_space()
        follow = np.full(self.intervals, FOLLOW)
        best, most = rule_weights(DemandDeficit()), -1
        for trial in range(1 + trials):
            drawn = {name: float(rng.choice(values)) for name, values in space.items()}
            weights = rule_weights(DemandDeficit(**drawn)) if trial else best
            delivered = self.delivered_bits(follow, weights)
            if delivered > most:
                best, most = weights, delivered
        return best, most

    def improve(self, plan: I64, weights: F64) -> tuple[I64, int]:
        """One pass over the episode in which every entry of the plan is set to the best one.

        An entry is best if it, followed by the rest of the plan, delivers most until the end, so
        that the pass never makes a plan worse.

        Returns:
            The new plan and what it delivers.
        """
        plan = plan.copy()
        simulator = start_episode(self._config, self._seed)
        switches = np.arange(1, self.n_links + 1)
        best, so_far = 0, 0
        for t in range(self.intervals):
            on = simulator.state.links["active"][0, : self.n_links] > 0
            switched = np.where(on, -switches, switches)
            entries = np.concatenate([plan[t : t + 1], [HOLD, FOLLOW], switched])
            delivered = so_far + self._try(simulator.arrays, entries, plan, t, weights)
            plan[t] = entries[delivered.argmax()]
            best = int(delivered.max())
            so_far += self._step(simulator, plan[t], weights)[1]
        return plan, best

    def follow_program(self, slots: int, stock_value: float, relative_gap: float) -> I64:
        """The plan of a receding-horizon program that knows the future, see `horizon`.

        Args:
            slots: Slots that the program looks ahead.
            stock_value: Worth of key that is left at the end, over that of served key.
            relative_gap: Plans this close to the program's bound are good enough.
        """
        trace = episode_trace(self._config, self._seed)
        simulator = start_episode(self._config, self._seed)
        links = simulator.state.links[0, : self.n_links]
        steps = slot_intervals(self._config.calibration_s, trace.interval_s)
        plan, unused = np.full(self.intervals, HOLD), np.zeros(8)
        wanted = links["active"] > 0
        for t in range(self.intervals):
            if t % steps == 0:
                ahead = plan_ahead(trace, t, links, slots, 1, stock_value, relative_gap)
                wanted = ahead.on[0] > 0.5
            fixed = (simulator.arrays, simulator.bank, simulator.params)
            plan[t] = next_entry(*fixed, wanted, trace.link_endpoints, simulator.work)
            self._step(simulator, plan[t], unused)
        return plan

    def actions(self, plan: I64, weights: F64) -> I64:
        """The environment's action in every interval under a plan, shape (T,)."""
        simulator = start_episode(self._config, self._seed)
        return np.array([self._step(simulator, entry, weights)[0] for entry in plan])

    @staticmethod
    def _step(simulator: Simulator, entry: int, weights: F64) -> tuple[int, int]:
        """Carries out an entry; the action that did, and the delivered bits."""
        fixed = (simulator.arrays, simulator.bank, simulator.params)
        action = action_of(*fixed, entry, weights, simulator.work)
        simulator.step(None, np.array([action]))
        return action, int(simulator.state.bits[0, DELIVERED])

    def _try(self, state: State, entries: I64, plan: I64, start: int, weights: F64) -> I64:
        arrays: Iterable[tuple[NDArray[Any], NDArray[Any]]] = zip(self._copies, state, strict=True)
        for copies, original in arrays:
            copies[: len(entries)] = original[0]
        delivered = np.zeros(len(entries), np.int64)
        try_entries(
            self._copies,
            self._simulator.bank,
            self._simulator.params,
            entries,
            plan,
            start,
            self.intervals,
            weights,
            self._simulator.work,
            delivered,
        )
        return delivered
