"""The native vector environments: many episodes in one compiled call."""

from __future__ import annotations

from collections.abc import Mapping
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
    require_choice,
    require_instance,
    require_integer,
    require_known_keys,
    shown,
)
from qkd_gym.network.config import FIELDS
from qkd_gym.rendering import RENDER_FPS, RENDER_MODES, Renderer, RenderOptions

Batch = dict[str, NDArray[Any]]
_MOST_MEMBERS = 1_000_000
_MODES = {mode.value: mode for mode in AutoresetMode}


class QKDVectorEnv(Branching, VectorEnv[Batch, NDArray[np.int64], NDArray[Any]]):
    """Many environments side by side, stepped by one compiled call.

    Member ``i`` with seed ``s`` plays exactly the episode that the single environment plays with
    seed ``s``, and after it the same further ones in every autoreset mode:

    * SAME_STEP: members whose episode ends start the next one in the same step.
      ``infos["final_obs"]`` and ``infos["final_info"]`` hold what they ended with, and every
      account in ``infos`` belongs to the step that was taken, also for finished members.
    * NEXT_STEP: they start it in the step after, which ignores their action. Its observation and
      accounts are those of a reset, its reward is zero, and it ends nothing.
    * DISABLED: they stay as they are until `reset` starts them, with the option ``reset_mask``; no
      step is possible before.

    Args:
        num_envs: Number of environments.
        scenario: Name of a scenario, a network in any form that `qkd_gym.topology.load` takes, a
            `NetworkConfig`, or a mapping of its fields; None takes the environment's own, see
            `qkd_gym.envs.tasks`.
        threads: Threads that step the batch, each a fixed part of it; None takes the environment
            variable ``QKD_GYM_THREADS``, or else one. Episodes do not depend on it.
        autoreset_mode: One of `gymnasium.vector.AutoresetMode`, or its value, for instance
            ``"NextStep"``.
        render_mode: ``"human"``, a window with the first members; ``"rgb_array"``, pictures;
            ``"ansi"``, text; or None.
        render_options: How pictures look: `qkd_gym.rendering.RenderOptions`, or a mapping of its
            fields.
        **overrides: Fields of `NetworkConfig` to change.

    Attributes:
        renderer: Shows the episodes; None without a render mode.
        autoreset_mode: When finished members start their next episode, one of
            `gymnasium.vector.AutoresetMode`; ``metadata`` has it too.

    Raises:
        InvalidInput: On an unknown scenario, a value outside its range, or more memory than is
            allowed.
        UnknownArgument: On an override that is no field.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": list(RENDER_MODES),
        "render_fps": RENDER_FPS,
    }
    task: ClassVar[Task]

    def __init__(
        self,
        num_envs: int = 1,
        scenario: Scenario | None = None,
        threads: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_options: RenderOptions | Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        require_integer("num_envs", num_envs, 1, _MOST_MEMBERS)
        num_envs = int(num_envs)
        self.autoreset_mode = _read_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        own = ("num_envs", "scenario", "threads", "autoreset_mode", "render_mode", "render_options")
        require_known_keys(type(self).__name__, overrides, [*own, *FIELDS], UnknownArgument)
        self.render_mode, options = render_mode, RenderOptions.read(render_options)
        self.renderer = (
            None if render_mode is None else Renderer(render_mode, options, batch=num_envs)
        )
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
            self._show_start(members)
            return core.observe(), core.info()
        core.start_some(members, chosen.network_index)
        self._show_start(members)
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
            ResetNeeded: Before the first reset, and in mode DISABLED while some are over.
            ClosedEnvironmentError: If the environment has been closed.
        """
        core = self.core
        if self.closed or not core.generators:
            raise not_ready(self.closed)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            core.step(actions)
            return self._outcome(actions, *self._restart_ended())
        ended = np.flatnonzero(core.ended)
        if not len(ended):
            core.step(actions)
        elif self.autoreset_mode is AutoresetMode.NEXT_STEP:
            core.step_or_start(ended, actions)
        else:
            raise ResetNeeded(
                f"No step is possible, since the episodes of members {shown(ended.tolist())} are "
                "over: start these with the option reset_mask of reset."
            )
        infos = core.info()
        if 1 in core.results.over.tobytes():  # far faster than `any` on so few
            infos |= self._totals(np.flatnonzero(core.results.over))
        return self._outcome(actions, core.observe(), infos)

    def _totals(self, ended: NDArray[np.int64]) -> dict[str, Any]:
        """Totals of the episodes that the last step has ended, as infos have them."""
        found = self.core.episode_totals(ended)
        table = np.zeros((len(found), self.num_envs))
        table[:, ended] = list(found.values())
        totals = dict(zip(found, table, strict=True))
        return {"episode_totals": totals, "_episode_totals": self.core.results.over}

    def _outcome(
        self, actions: NDArray[np.int64], observations: Batch, infos: dict[str, Any]
    ) -> tuple[Batch, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """What `step` returns, which is shown too if that is wanted."""
        results = self.core.results
        if self.renderer is not None:
            self.renderer.step(self.core.simulator, results.accounts, np.asarray(actions))
        return observations, results.reward, results.terminated, results.over, infos

    def _restart_ended(self) -> tuple[Batch, dict[str, Any]]:
        """Starts the next episodes of members that the last step has ended.

        Returns:
            Observations and infos, with what they ended with.
        """
        core = self.core
        over, observations, infos = core.results.over, core.observe(), core.info()
        if 1 in over.tobytes():
            ended = np.flatnonzero(over)
            # A row per site and link in memory too: how numbers lie decides how their sums round.
            copies = {n: np.ascontiguousarray(each[ended]) for n, each in observations.items()}
            last = np.full(self.num_envs, None, dtype=object)
            for i, b in enumerate(ended):
                last[b] = {name: array[i] for name, array in copies.items()}
            final_info = {**infos, "action_mask": infos["action_mask"].copy()}
            final_info |= self._totals(ended)
            infos |= {"final_obs": last, "_final_obs": over}
            infos |= {"final_info": final_info, "_final_info": over}
            core.restart(ended)
        return observations, infos

    def render(self) -> tuple[NDArray[np.uint8] | str, ...] | None:  # type: ignore[override]
        """What the render mode asks for.

        Returns:
            A picture, (height, width, 3), or a table of every member; None where no mode was
            chosen, and in a window, which shows every step by itself.
        """
        if self.renderer is None or self.render_mode == "human":
            return None
        members = range(self.num_envs)
        shown = (self.renderer.render(self.core.simulator, member) for member in members)
        return tuple(each for each in shown if each is not None)

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the window, if there is one; see `gymnasium.vector.VectorEnv.close`."""
        if self.renderer is not None:
            self.renderer.close()

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
            snapshot: As many episodes of an environment with the same task and configuration;
                running ones in mode SAME_STEP.
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
        starts_at_once = self.autoreset_mode is AutoresetMode.SAME_STEP
        over = has_ended(snapshot.contents.state.episodes, core.simulator.params)
        if starts_at_once and over.any():
            raise InvalidInput(
                "snapshot has an episode that is over, but must have none of them in a vector "
                "environment that starts the next at once."
            )
        if not core.generators:
            if len(chosen) < self.num_envs:
                raise ResetNeeded("members restores some, but first all must be started.")
            core.generators = [new_generator(0) for _ in range(self.num_envs)]
        core.restore(snapshot, chosen)
        self._show_start(chosen)
        return core.observe(), core.info()

    def _show_start(self, members: NDArray[np.int64]) -> None:
        if self.renderer is not None:
            self.renderer.start(self.core.simulator, members)

    def _is_closed(self) -> bool:
        return self.closed

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions of every environment, (num_envs, actions)."""
        return self.core.masks


def _read_mode(mode: Any) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    require_choice("autoreset_mode", mode, _MODES)
    return _MODES[mode]


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
