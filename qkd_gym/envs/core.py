"""What the single and the vector environments share: one simulator and its buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief import Tracker
from qkd_gym.envs import spaces
from qkd_gym.envs.actions import as_integers
from qkd_gym.envs.buffers import Frames
from qkd_gym.envs.metrics import metrics_of
from qkd_gym.envs.snapshot import Contents, Snapshot, gather, has_ended, scatter
from qkd_gym.envs.tasks import Task
from qkd_gym.envs.threads import parts, run_side_by_side, thread_count
from qkd_gym.envs.totals import Totals, allocate_sums, totals_of
from qkd_gym.envs.transition import Results, allocate_results, start_some, step_range
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import resolve
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.state import scratch_space
from qkd_gym.opponents import Opposition
from qkd_gym.topology import Source

Scenario: TypeAlias = Source | NetworkConfig | Mapping[str, Any]


class Core:
    """A batch of episodes with observations, rewards and infos as arrays.

    Made by an environment, whose keyword arguments are fields of the configuration.

    Both kinds of environments have theirs as ``env.core``, for whoever needs the simulator itself.
    It pickles and deep-copies at any moment, and the copy goes on bit for bit alike.

    Args:
        scenario: Name, configuration or mapping.
        overrides: Fields of the configuration to change.
        batch: Number of episodes side by side.
        task: What a step decides.
        threads: Threads that step the batch, see `qkd_gym.envs.threads.thread_count`.

    Attributes:
        config: The configuration.
        batch: Number of episodes.
        task: What a step decides.
        threads: Threads that step the batch.
        simulator: The simulator.
        generators: Generator of every member, which draws its episodes.
        frame: What the last step or start returned; the next one writes into another frame
            unless nobody refers to an array of this one.
        tracker: What operators believe of the hidden part; None unless somebody asked for it.
        opposition: The opponent at work; None without one.
        watches_sites: Whether the totals of episodes have the metrics ``fairness``,
            ``recovery_s`` and ``lost_per_fault_bits``, which are NaN otherwise: every site is
            looked at for them, which takes a sixth of a step more. Set it before a reset.
        observation_space: Space of one member's observations.
        action_space: Space of one member's actions.

    Raises:
        InvalidInput: On an unknown scenario or field, a value outside its range, or more memory
            than is allowed.
    """

    def __init__(
        self,
        scenario: Scenario,
        overrides: Mapping[str, Any],
        batch: int,
        task: Task,
        threads: int | None = 1,
    ) -> None:
        self.config = resolve(scenario, overrides)
        self.batch, self.task = batch, task
        self.threads = thread_count(threads, batch)
        self.simulator = Simulator(
            self.config,
            batch,
            decides_links=task.decides_links,
            decides_paths=task.decides_paths,
            decides_releases=task.decides_releases,
        )
        self.generators: list[np.random.Generator] = []
        self.tracker: Tracker | None = None
        self.opposition: Opposition | None = None
        if self.config.opponent:
            self.opposition = Opposition(self.simulator)
        self.watches_sites = False
        self._frames = Frames(self.simulator, task)
        self.frame = self._frames.free()
        self.observation_space = spaces.observation_space(self.frame.buffer, task)
        self.action_space = spaces.action_space(self.frame.buffer, task)
        self._action_shape: tuple[int, ...] = self.action_space.shape  # type: ignore[assignment]
        self._actions_shape = (batch, *self._action_shape)
        self._undecided = np.zeros(batch, dtype=np.int64)
        self._sums = allocate_sums(self.simulator.arrays, self.simulator.n_sites)
        others = (scratch_space(self.simulator.arrays) for _ in range(1, self.threads))
        self._work = [self.simulator.work, *others]

    def start(self, network_index: int | None = None) -> None:
        """Starts all episodes, on this network of the bank or on one that each draws."""
        self.frame = self._frames.free()
        self._start(range(self.batch), self.frame.results, network_index)

    def start_some(self, members: NDArray[np.integer], network_index: int | None = None) -> None:
        """Starts new episodes for these members; the others have no results, and observe again
        what they observed."""
        self._go_on_to_next_frame(with_results=False)
        self._start(members, self.frame.results, network_index)

    def _go_on_to_next_frame(self, *, with_results: bool) -> None:
        """Goes on to a frame that observes what the last one observed.

        Args:
            with_results: Whether it has the results of the last one too, or none.
        """
        before, self.frame = self.frame, self._frames.free()
        copied: Any = zip(
            (*self.frame.buffer, *self.frame.results),
            (*before.buffer, *before.results),
            strict=True,
        )
        for array, last in copied:
            array[...] = last
        if not with_results:
            results: tuple[NDArray[Any], ...] = self.frame.results
            for array in results:
                array[...] = 0

    def restart(self, members: NDArray[np.integer]) -> None:
        """Starts new episodes for these members, and observes them in the last observation.

        The results of their last step stay.
        """
        terms = len(self.frame.terms)
        self._start(members, allocate_results(self.batch, terms), None)

    def _start(
        self,
        members: Sequence[int] | NDArray[np.integer],
        results: Results,
        network_index: int | None,
    ) -> None:
        sim = self.simulator
        drawn = sim.draw(members, self.generators, network_index)
        start_some(
            *drawn, sim.arrays, sim.bank, sim.params, sim.work, self.frame.buffer, results,
            self._sums,
        )  # fmt: skip
        if self.tracker is not None:
            self.tracker.start(drawn[0])
        if self.opposition is not None:
            self.opposition.start(drawn[0])
            self.opposition.act()

    def step(self, actions: Any) -> None:
        """Steps every episode.

        Args:
            actions: Integers of shape (batch,), or (batch, 2) where a step decides paths and links.

        Raises:
            InvalidInput: If they are something else, see `as_integers`.
        """
        self._step(as_integers("actions", actions, self._actions_shape))

    def step_one(self, action: Any) -> None:
        """Steps the only episode by one action, as `step`."""
        self._step(as_integers("action", action, self._action_shape)[None])

    def step_some(self, members: NDArray[np.integer], actions: Any) -> None:
        """Steps these episodes, as `step` does all; the others have no results, and observe again
        what they observed. Their actions are not read."""
        decisions = self._decisions(as_integers("actions", actions, self._actions_shape))
        self._go_on_to_next_frame(with_results=False)
        fixed = self._fixed(decisions)
        gaps = np.flatnonzero(np.diff(members) > 1)
        firsts, lasts = np.append(members[:1], members[gaps + 1]), [*members[gaps], *members[-1:]]
        for first, last in zip(firsts, lasts, strict=True):
            step_range(*fixed, self._work[0], int(first), int(last) + 1)
        if self.opposition is not None:
            self.opposition.act()

    def step_or_start(self, ended: NDArray[np.integer], actions: Any) -> None:
        """Starts new episodes for these members, as `start_some`, and steps all others, as `step`.

        The actions of those that start are not read.
        """
        others = np.setdiff1d(np.arange(self.batch), ended)
        self.step_some(others, actions)
        if self.tracker is not None:
            self.tracker.update()
        self._start(ended, self.frame.results, None)

    def _step(self, actions: NDArray[np.int64]) -> None:
        decisions = self._decisions(actions)
        self.frame = self._frames.free()
        fixed = self._fixed(decisions)
        if self.threads == 1:
            step_range(*fixed, self._work[0], 0, self.batch)
        else:
            ranges = zip(self._work, parts(self.batch, self.threads), strict=True)
            run_side_by_side(step_range, [(*fixed, work, *ends) for work, ends in ranges])
        if self.tracker is not None:
            self.tracker.update()
        if self.opposition is not None:
            self.opposition.act()

    def _decisions(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Paths and links of these actions, each (batch,)."""
        task = self.task
        paths = links = self._undecided
        if not task.decides_paths:
            links = actions
        elif task.decides_links:
            paths, links = np.ascontiguousarray(actions.T)
        else:
            paths = actions
        return paths, links

    def _fixed(self, decisions: tuple[NDArray[np.int64], NDArray[np.int64]]) -> tuple[Any, ...]:
        """What all parts of a batch are stepped with."""
        sim, frame = self.simulator, self.frame
        sums = self._sums, self.watches_sites
        given = sim.arrays, sim.bank, sim.params, frame.buffer, frame.results
        return (*given, *sums, *decisions)

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Which episodes are over, (batch,)."""
        return has_ended(self.simulator.arrays.episodes, self.simulator.params)

    def contents(self) -> Contents:
        """All that there is of the episodes, as it is."""
        belief = None if self.tracker is None else self.tracker.belief
        attacks = None if self.opposition is None else self.opposition.attacks
        arrays, frame = self.simulator.arrays, self.frame
        return Contents(arrays, frame.buffer, frame.results, self._sums, belief, attacks)

    def snapshot(self, members: NDArray[np.int64]) -> Snapshot:
        """Copies where these episodes stand; each may be asked for several times."""
        states = (self.generators[b].bit_generator.state for b in members if self.generators)
        return Snapshot(
            self.config, self.task.name, gather(self.contents(), members), tuple(states)
        )

    def restore(self, snapshot: Snapshot, members: NDArray[np.int64]) -> None:
        """Has these episodes go on from a snapshot; the others stay as they are.

        Args:
            snapshot: As many episodes, which fit: see `Snapshot.check`.
            members: Different indices.
        """
        if len(members) < self.batch:
            self._go_on_to_next_frame(with_results=True)
        else:
            self.frame = self._frames.free()
        self.simulator.build_networks(snapshot.contents.state.episodes["network"])
        scatter(snapshot.contents, self.contents(), members)
        if self.generators:
            for b, state in zip(members.tolist(), snapshot.generators, strict=True):
                self.generators[b].bit_generator.state = state
        if self.tracker is not None:
            self.tracker.go_on(members, is_known=snapshot.contents.belief is not None)

    def episode_totals(self, members: NDArray[np.integer]) -> Totals:
        """What these episodes add up to, which the last step has ended, and their metrics.

        Args:
            members: Which ones, (n,).

        Returns:
            Arrays of shape (n,) under the names of `qkd_gym.envs.totals.totals_of` and of
            `qkd_gym.envs.metrics.METRICS`.
        """
        nodes = self.frame.buffer.nodes[members]
        totals = totals_of(
            self._sums, members, self.simulator, nodes, watches_sites=self.watches_sites
        )
        return totals | metrics_of(totals)

    def observe(self) -> dict[str, NDArray[Any]]:
        """The last observations of the whole batch; the arrays are the caller's."""
        return self.frame.observations.copy()

    @property
    def results(self) -> Results:
        """What the last step or start returned beside observations, as the kernel wrote it."""
        return self.frame.results

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Legal actions of the last observations, (batch, actions); the one source of masks."""
        return self.frame.masks

    def info(self) -> dict[str, Any]:
        """Accounts of the last step as arrays of shape (batch,), the legal actions, and that every
        member has them."""
        accounts: dict[str, Any] = self.frame.accounts.copy()
        accounts["reward_terms"] = self.frame.terms.copy()
        return accounts

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to go on: views and compiled functions do not travel."""
        return {
            "made_from": (self.config, {}, self.batch, self.task, self.threads),
            "generators": self.generators,
            "arrays": tuple(self.simulator.arrays),
            "buffer": tuple(self.frame.buffer),
            "results": tuple(self.frame.results),
            "sums": tuple(self._sums),
            "watches_sites": self.watches_sites,
            "belief": None if self.tracker is None else tuple(self.tracker.belief),
            "attacks": None if self.opposition is None else tuple(self.opposition.attacks),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["made_from"])  # type: ignore[misc]
        self.generators, self.watches_sites = state["generators"], state["watches_sites"]
        sim, frame = self.simulator, self.frame
        if self.generators:
            sim.build_networks(state["arrays"][0]["network"])
        copied: dict[str, Any] = {
            "arrays": sim.arrays,
            "buffer": frame.buffer,
            "results": frame.results,
            "sums": self._sums,
        }
        if self.opposition is not None:
            copied["attacks"] = self.opposition.attacks
        for name, arrays in copied.items():
            for array, content in zip(arrays, state[name], strict=True):
                array[...] = content
        if state["belief"] is not None:
            self.tracker = Tracker(sim)
            for array, content in zip(self.tracker.belief, state["belief"], strict=True):
                array[...] = content
            self.tracker.go_on(np.arange(self.batch))
