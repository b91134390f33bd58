"""Copies of episodes to plan on: the same present, and futures that nobody knows yet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief.events import imagine_events
from qkd_gym.belief.records import Hidden
from qkd_gym.envs.core import Core
from qkd_gym.envs.snapshot import Contents, Members, Snapshot, gather, read_members
from qkd_gym.errors import require_instance
from qkd_gym.network.dynamics.events import feel_some


class Model:
    """A batch of copies of episodes, made by ``branch`` of an environment.

    Rows start from the present of their member and go on by themselves, each with a future of its
    own. A row whose episode is over stays as it is: its observation stays, and steps that it does
    not take have no reward and no accounts. To try several actions on the same futures, take a
    `snapshot` first and `restore` it before each.

    Args:
        source: Episodes that rows are copies of.
        rows: Number of rows.

    Attributes:
        rows: Number of rows.
        simulator: The rows' state, for whoever steps them in compiled code of their own.
        observation_space: Space of one row's observations.
        action_space: Space of one row's actions.

    Raises:
        InvalidInput: If rows need more memory than is allowed.
    """

    def __init__(self, source: Core, rows: int) -> None:
        self._core = core = Core(source.config, {}, rows, source.task, source.threads)
        core.opposition = None  # whoever plans does not know what it will do
        self.rows, self.simulator = rows, core.simulator
        self.observation_space, self.action_space = core.observation_space, core.action_space

    def step(self, actions: Any) -> None:
        """Steps every row whose episode is not over.

        Args:
            actions: As the vector environment takes them, shape (rows,) or (rows, 2); those of
                rows whose episode is over are not read.

        Raises:
            InvalidInput: If actions are anything else; nothing has happened then.
        """
        running = np.flatnonzero(~self.over)
        if len(running) == self.rows:
            self._core.step(actions)
        else:
            self._core.step_some(running, actions)

    def observe(self) -> dict[str, NDArray[Any]]:
        """Observations of all rows, each with a leading axis (rows,)."""
        return self._core.observe()

    def info(self) -> dict[str, Any]:
        """Accounts of the last step, each of shape (rows,), for instance ``"delivered_bits"``, and
        ``"reward_terms"`` and ``"action_mask"``, as the vector environment's infos have them."""
        return self._core.info()

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions of every row, (rows, actions)."""
        return self._core.masks

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Rewards of the last step, (rows,)."""
        return self._core.results.reward

    @property
    def over(self) -> NDArray[np.bool_]:
        """Rows whose episode is over, (rows,)."""
        return self._core.ended

    def snapshot(self, rows: Any = None) -> Snapshot:
        """Where rows stand, for `restore`.

        Args:
            rows: Indices, in any order and as often as wanted; None for all.

        Raises:
            InvalidInput: If they are none.
        """
        return self._core.snapshot(read_members("rows", rows, self.rows, distinct=False))

    def restore(self, snapshot: Snapshot, rows: Any = None) -> None:
        """Has rows go on from a snapshot, of this model, another one or an environment.

        Args:
            snapshot: As many episodes, of the same task and configuration.
            rows: Different indices; None for all.

        Raises:
            InvalidInput: If it is of anything else; nothing has changed then.
        """
        require_instance("snapshot", snapshot, Snapshot)
        core, chosen = self._core, read_members("rows", rows, self.rows, distinct=True)
        snapshot.check(core.config, core.task.name, chosen)
        core.restore(snapshot, chosen)

    def become(self, source: Contents, origins: Members, keys: NDArray[np.uint64]) -> None:
        """Makes every row a copy of an episode, with a key of its own; for `Branches`.

        Args:
            source: Episodes.
            origins: Which of them each row is a copy of, (rows,).
            keys: Of the randomness to come, (rows,).
        """
        core = self._core
        copies = gather(source, origins)
        copies.state.episodes["key"] = keys
        core.restore(Snapshot(core.config, core.task.name, copies, ()), np.arange(self.rows))

    def imagine(self, rows: slice, hidden: Hidden) -> None:
        """Puts hidden states into the rows of one member, one into each; for `Branches`."""
        state = self.simulator.state
        n_links = hidden.drift.shape[1]
        state.sites["misalignment"][rows] = hidden.misalignment
        state.sites["fog"][rows] = hidden.fog
        state.links["excess_loss_db"][rows, :n_links] = hidden.excess_loss_db
        state.links["drift"][rows, :n_links] = hidden.drift
        state.links["outage_until_s"][rows, :n_links] = hidden.outage_until_s
        state.links["attack_until_s"][rows, :n_links] = hidden.attack_until_s
        state.links["attack_fraction"][rows, :n_links] = hidden.attack_fraction
        state.bursts[rows] = hidden.bursts
        state.episodes["hot_spot"][rows] = hidden.hot_spot

    def imagine_faults(self, rows: slice, rng: np.random.Generator) -> None:
        """Leaves the rows of one member what its operator knows of the scenario's faults, with ends
        of their own; for `Branches`."""
        sim = self.simulator
        if not len(sim.bank.faults):
            return
        now_s = float(sim.state.episodes["interval"][rows.start] * sim.params["interval_s"][0])
        events = sim.state.events
        events[rows] = imagine_events(events[rows], sim.bank.faults, now_s, rng)
        feel_some(sim.arrays, sim.bank, sim.params, rows.start, rows.stop)
