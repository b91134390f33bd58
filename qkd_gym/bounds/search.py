"""Improves a plan for one episode by trying every single change in the simulator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.activation import DemandDeficit
from qkd_gym.bounds.horizon import plan_ahead, slot_intervals
from qkd_gym.bounds.rollout import FOLLOW, HOLD, RuleWeights, action_of, next_intent, try_intents
from qkd_gym.bounds.trace import episode_trace, start_episode
from qkd_gym.envs.core import Core
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.state import State, allocate

I64 = NDArray[np.int64]


def rule_weights(rule: DemandDeficit) -> RuleWeights:
    """The rule's parameters as compiled code reads them."""
    return RuleWeights(**{name: float(getattr(rule, name)) for name in RuleWeights._fields})


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
        simulator = self._simulator = start_episode(config, seed).simulator
        network = int(simulator.state.episodes["network"][0])
        self.n_links = int(simulator.bank.networks["n_links"][network])
        self.intervals = int(simulator.params["intervals"][0])
        self._copies = allocate(config, self.n_links + 3, simulator.n_sites, simulator.max_links)

    def delivered_bits(self, plan: I64, weights: RuleWeights) -> int:
        """What a plan delivers in the whole episode."""
        start = start_episode(self._config, self._seed).simulator
        return int(self._try(start.arrays, plan[:1], plan, 0, weights)[0])

    def best_rule(self, trials: int, rng: np.random.Generator) -> tuple[RuleWeights, int]:
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

    def improve(self, plan: I64, weights: RuleWeights) -> tuple[I64, int]:
        """One pass over the episode in which every intent of the plan is set to the best one.

        An intent is best if it, followed by the rest of the plan, delivers most until the end, so
        that the pass never makes a plan worse.

        Returns:
            The new plan and what it delivers.
        """
        plan = plan.copy()
        core = start_episode(self._config, self._seed)
        simulator = core.simulator
        switches = np.arange(1, self.n_links + 1)
        best, so_far = 0, 0
        for t in range(self.intervals):
            on = simulator.state.links["active"][0, : self.n_links] > 0
            switched = np.where(on, -switches, switches)
            intents = np.concatenate([plan[t : t + 1], [HOLD, FOLLOW], switched])
            delivered = so_far + self._try(simulator.arrays, intents, plan, t, weights)
            plan[t] = intents[delivered.argmax()]
            best = int(delivered.max())
            so_far += self._step(core, plan[t], weights)[1]
        return plan, best

    def follow_program(self, slots: int, stock_value: float, relative_gap: float) -> I64:
        """The plan of a receding-horizon program that knows the future, see `horizon`.

        Args:
            slots: Slots that the program looks ahead.
            stock_value: Worth of key that is left at the end, over that of served key.
            relative_gap: Plans this close to the program's bound are good enough.
        """
        trace = episode_trace(self._config, self._seed)
        core = start_episode(self._config, self._seed)
        simulator = core.simulator
        links = simulator.state.links[0, : self.n_links]
        steps = slot_intervals(self._config.calibration_s, trace.interval_s)
        plan, unused = np.full(self.intervals, HOLD), rule_weights(DemandDeficit())
        wanted = links["active"] > 0
        for t in range(self.intervals):
            if t % steps == 0:
                ahead = plan_ahead(trace, t, links, slots, 1, stock_value, relative_gap)
                wanted = ahead.on[0] > 0.5
            fixed = (simulator.arrays, simulator.bank, simulator.params)
            plan[t] = next_intent(*fixed, wanted, trace.link_endpoints, simulator.work)
            self._step(core, plan[t], unused)
        return plan

    def actions(self, plan: I64, weights: RuleWeights) -> I64:
        """The environment's action in every interval under a plan, shape (T,)."""
        core = start_episode(self._config, self._seed)
        return np.array([self._step(core, intent, weights)[0] for intent in plan])

    @staticmethod
    def _step(core: Core, intent: int, weights: RuleWeights) -> tuple[int, int]:
        """Carries out an intent; the action that did, and the delivered bits."""
        simulator = core.simulator
        fixed = (simulator.arrays, simulator.bank, simulator.params)
        action = action_of(*fixed, intent, weights, simulator.work)
        core.step(np.array([action]))
        return action, int(simulator.state.accounts[0, ACCOUNT.delivered_bits])

    def _try(self, state: State, intents: I64, plan: I64, start: int, weights: RuleWeights) -> I64:
        arrays: Iterable[tuple[NDArray[Any], NDArray[Any]]] = zip(self._copies, state, strict=True)
        for copies, original in arrays:
            copies[: len(intents)] = original[0]
        delivered = np.zeros(len(intents), np.int64)
        try_intents(
            self._copies,
            self._simulator.bank,
            self._simulator.params,
            intents,
            plan,
            start,
            self.intervals,
            weights,
            self._simulator.work,
            delivered,
        )
        return delivered
