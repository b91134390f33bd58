"""Improves a plan for one episode by trying every single change in the simulator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.activation import DemandDeficit
from qkd_gym.bounds.rollout import FOLLOW, HOLD, RuleWeights, action_of, next_intent, try_intents
from qkd_gym.bounds.trace import EpisodeTrace, episode_trace, start_episode
from qkd_gym.envs.core import Core
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.state import State, allocate
from qkd_gym.planning.schedule import Program, optimise

I64 = NDArray[np.int64]

_LONGEST_SLOT_S = 90.0
_STOCK_VALUE = 0.3  # of key left after the program's last slot, over served key
_GAP = 0.02  # plans this close to the program's bound are good enough


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
        self._copies = allocate(
            config, self.n_links + 3, simulator.n_sites, simulator.max_links,
            in_blocks=len(simulator.bank.sifted_per_block) > 0,
        )  # fmt: skip

    def delivered_bits(self, plan: I64, weights: RuleWeights) -> int:
        """What a plan delivers in the whole episode."""
        # Nobody steps the first simulator, so it still is at the start.
        return int(self._try(self._simulator.arrays, plan[:1], plan, 0, weights)[0])

    def best_rule(self, trials: int, rng: np.random.Generator) -> RuleWeights:
        """Weights of the rule that deliver most in hindsight.

        Args:
            trials: Random points of the rule's search space, tried beside its defaults.
            rng: Draws them.
        """
        space = DemandDeficit.search_space()
        follow = np.full(self.intervals, FOLLOW)
        drawn = [
            DemandDeficit(**{name: float(rng.choice(values)) for name, values in space.items()})
            for _ in range(1 + trials)
        ]
        drawn[0] = DemandDeficit()  # the first draw gives way to the defaults
        return max(map(rule_weights, drawn), key=lambda rule: self.delivered_bits(follow, rule))

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

    def follow_program(self, slots: int) -> I64:
        """The plan of a program that knows the future and looks this many slots ahead."""
        trace = episode_trace(self._config, self._seed)
        core = start_episode(self._config, self._seed)
        simulator = core.simulator
        links = simulator.state.links[0, : self.n_links]
        steps = _slot_intervals(trace)
        plan, unused = np.full(self.intervals, HOLD), rule_weights(DemandDeficit())
        wanted = links["active"] > 0
        for t in range(self.intervals):
            if t % steps == 0:
                wanted = _plan_ahead(trace, t, links, slots, steps)
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
        fields: Any = zip(self._copies, state, strict=True)
        for copies, original in fields:
            copies[: len(intents)] = original[0]
        delivered, simulator = np.zeros(len(intents), np.int64), self._simulator
        fixed = (self._copies, simulator.bank, simulator.params)
        try_intents(
            *fixed, intents, plan, start, self.intervals, weights, simulator.work, delivered
        )
        return delivered


def _slot_intervals(trace: EpisodeTrace) -> int:
    """Intervals per slot: as many as a slot's time allows and divide the calibration time."""
    calibration = max(1, math.ceil(trace.config.calibration_s / trace.interval_s - 1e-9))
    fits = max(1, int(_LONGEST_SLOT_S / trace.interval_s + 1e-9))
    return next(count for count in range(min(fits, calibration), 0, -1) if calibration % count == 0)


def _plan_ahead(
    trace: EpisodeTrace, start: int, links: NDArray[np.void], slots: int, steps: int
) -> NDArray[np.bool_]:
    """Links that the best plan from interval ``start`` on begins with, shape (E,).

    ``links`` are the simulator's records there, and ``steps`` the intervals per slot.
    """
    capacity, slot_s = float(trace.config.pool_capacity_bits), steps * trace.interval_s
    slots = min(slots, -(-(trace.intervals - start) // steps))
    end = start + slots * steps
    window = trace.made_bits[start:end] / capacity
    window = np.pad(window, ((0, slots * steps - len(window)), (0, 0)))
    asked = slice(*np.searchsorted(trace.request_interval, [start, end]))
    program = Program(
        link_endpoints=trace.link_endpoints,
        modules=trace.config.modules_per_site,
        n_sites=trace.n_sites,
        made=window.reshape(slots, steps, -1).sum(axis=1),
        pool=links["pool"] / capacity,
        active=links["active"] > 0,
        calibrating=np.ceil(links["calibration_left_s"] / slot_s - 1e-9).astype(np.int64),
        calibration=math.ceil(trace.config.calibration_s / slot_s - 1e-9),
        starts_per_slot=steps,
        request_slot=(trace.request_interval[asked] - start) // steps,
        request_size=trace.request_bits[asked] / capacity,
        request_paths=trace.request_paths[asked],
        stock_value=0.0 if end >= trace.intervals else _STOCK_VALUE,
    )
    plan = optimise(program, whole_slots=1, relative_gap=_GAP)
    assert plan is not None
    return plan.on[0] > 0.5
