"""The native vector environments: many episodes in one compiled call."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from qkd_gym.envs.branches import Branches, Branching
from qkd_gym.envs.core import Core, Scenario
from qkd_gym.envs.snapshot import Snapshot, has_ended, read_members
from qkd_gym.envs.starting import new_generator, not_ready, read_options, read_seeds
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING, NETWORK, ROUTING, Task
from qkd_gym.errors import (
    InvalidInput,
    UnknownArgument,
    require_instance,
    require_integer,
    require_known_keys,
)
from qkd_gym.network.config import FIELDS

Batch = dict[str, NDArray[Any]]
_MOST_MEMBERS = 1_000_000


class QKDVectorEnv(Branching, VectorEnv[Batch, NDArray[np.int64], NDArray[Any]]):
    """Many environments side by side, stepped by one compiled call.

    Member ``i`` with seed ``s`` plays exactly the episode that the single environment plays with
    seed ``s``. Finished members start their next episode in the same step (SAME_STEP autoreset):
    ``infos["final_obs"]`` and ``infos["final_info"]`` hold what they ended with, and every account
    in ``infos`` belongs to the step that was taken, also for finished members.

    Args:
        num_envs: Number of environments.
        scenario: Name of a scenario, a network in any form that `qkd_gym.topology.load` takes, a
            `NetworkConfig`, or a mapping of its fields; None takes the environment's own, see
            `qkd_gym.envs.tasks`.
        threads: Threads that step the batch, each a fixed part of it; None takes the environment
            variable ``QKD_GYM_THREADS``, or else one. Episodes do not depend on it.
        **overrides: Fields of `NetworkConfig` to change.

    Raises:
        InvalidInput: On an unknown scenario, a value outside its range, or more memory than is
            allowed.
        UnknownArgument: On an override that is no field.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    task: ClassVar[Task]

    def __init__(
        self,
        num_envs: int = 1,
        scenario: Scenario | None = None,
        threads: int | None = None,
        **overrides: Any,
    ) -> None:
        require_integer("num_envs", num_envs, 1, _MOST_MEMBERS)
        num_envs = int(num_envs)
        own = ("num_envs", "scenario", "threads")
        require_known_keys(type(self).__name__, overrides, [*own, *FIELDS], UnknownArgument)
        chosen = self.task.default_scenario if scenario is None else scenario
        self.core = Core(chosen, overrides, num_envs, self.task, threads)
        self._branches = Branches(self.core)
        self.config = self.core.config
        self.num_envs = num_envs
        self.single_observation_space = self.core.observation_space
        self.single_action_space = self.core.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Batch, dict[str, Any]]:
        """Starts episodes; see `gymnasium.vector.VectorEnv.reset`.

        Args:
            seed: An integer ``s`` gives member ``i`` the seed ``s + i``; a list, tuple or array has
                one of each member. Seeds are non-negative integers, Python's or NumPy's; without
                one, a member goes on with the generator that it has.
            options: ``network_index`` plays the episodes that this reset starts, and no later ones,
                on that network of the bank. ``reset_mask``, truth values of shape (num_envs,),
                starts these members only: the others go on, and keep their seeds and
                observations. In ``infos`` the masks ``_...`` tell who was started; accounts of the
                others are zero.

        Raises:
            InvalidInput: On seeds or options that are none; all episodes then go on.
            ResetNeeded: If some members are started before all have been.
            ClosedEnvironmentError: If the environment has been closed.
        """
        if self.closed:
            raise not_ready(self.closed)
        core, seeds = self.core, read_seeds(seed, self.num_envs)
        chosen = read_options(options, core.simulator, batch=self.num_envs)
        members, is_partial = chosen.members, len(chosen.members) < self.num_envs
        if is_partial and not core.generators:
            raise ResetNeeded("reset_mask starts some members, but first all must be started.")
        if not core.generators:
            core.generators = [new_generator(one) for one in seeds]
        for b in members.tolist():
            if seeds[b] is not None:
                core.generators[b] = new_generator(seeds[b])
        if not is_partial:
            core.start(chosen.network_index)
            return core.observe(), core.info()
        core.start_some(members, chosen.network_index)
        infos, started = core.info(), np.zeros(self.num_envs, bool)
        started[members] = True
        return core.observe(), infos | {name: started for name in infos if name[0] == "_"}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Batch, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Steps all environments; see `gymnasium.vector.VectorEnv.step`.

        Args:
            actions: Integers of shape (num_envs,), or (num_envs, 2) where paths and links are
                decided. One outside the action space, or against the mask, does nothing and is
                counted in ``infos["illegal_actions"]``.

        Raises:
            InvalidInput: If actions are anything else, whole floating-point numbers included;
                nothing has happened then.
            ResetNeeded: Before the first reset.
            ClosedEnvironmentError: If the environment has been closed.
        """
        core = self.core
        if self.closed or not core.generators:
            raise not_ready(self.closed)
        core.step(actions)
        results, observations, infos = core.results, core.observe(), core.info()
        over = results.over
        if 1 in over.tobytes():  # far faster than `any` on so few
            ended = np.flatnonzero(over)
            # A row per site and link in memory too: how numbers lie decides how their sums round.
            copies = {n: np.ascontiguousarray(each[ended]) for n, each in observations.items()}
            last = np.full(self.num_envs, None, dtype=object)
            for i, b in enumerate(ended):
                last[b] = {name: array[i] for name, array in copies.items()}
            final_info = {**infos, "action_mask": infos["action_mask"].copy()}
            infos |= {"final_obs": last, "_final_obs": over}
            infos |= {"final_info": final_info, "_final_info": over}
            core.restart(ended)
        return observations, results.reward, results.terminated, over, infos

    def snapshot(self, members: Any = None) -> Snapshot:
        """Where members stand, their generators included, for `restore`.

        Args:
            members: Indices, in any order and as often as wanted; None for all.

        Raises:
            InvalidInput: If they are none.
            ResetNeeded: Before the first reset.
            ClosedEnvironmentError: If the environment has been closed.
        """
        chosen = read_members("members", members, self.num_envs, distinct=False)
        if self.closed or not self.core.generators:
            raise not_ready(self.closed)
        return self.core.snapshot(chosen)

    def restore(self, snapshot: Snapshot, members: Any = None) -> tuple[Batch, dict[str, Any]]:
        """Has members go on from a snapshot, bit for bit as its episodes went on; the others stay
        where they are.

        Args:
            snapshot: As many running episodes of an environment with the same task and
                configuration.
            members: Different indices; None for all.

        Returns:
            The last observations of all members and their infos.

        Raises:
            InvalidInput: If it is of anything else; all episodes then go on.
            ResetNeeded: If some members are restored before all have been started.
            ClosedEnvironmentError: If the environment has been closed.
        """
        if self.closed:
            raise not_ready(self.closed)
        require_instance("snapshot", snapshot, Snapshot)
        core = self.core
        chosen = read_members("members", members, self.num_envs, distinct=True)
        snapshot.check_generators()
        snapshot.check(core.config, core.task.name, chosen)
        if has_ended(snapshot.contents.state.episodes, core.simulator.params).any():
            raise InvalidInput(
                "snapshot has an episode that is over, but must have none of them in a vector "
                "environment, which starts the next at once."
            )
        if not core.generators:
            if len(chosen) < self.num_envs:
                raise ResetNeeded("members restores some, but first all must be started.")
            core.generators = [new_generator(0) for _ in range(self.num_envs)]
        core.restore(snapshot, chosen)
        return core.observe(), core.info()

    def _is_closed(self) -> bool:
        return self.closed

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions of every environment, (num_envs, actions)."""
        return self.core.masks


class LinkActivationVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.LinkActivationEnv`."""

    task = LINK_ACTIVATION


class LinkSchedulingVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.LinkSchedulingEnv`."""

    task = LINK_SCHEDULING


class RoutingVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.RoutingEnv`."""

    task = ROUTING


class NetworkVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.NetworkEnv`."""

    task = NETWORK
