"""The native vector environments: many episodes in one compiled call."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from qkd_gym.envs.core import Core, Scenario
from qkd_gym.envs.tasks import LINK_ACTIVATION, NETWORK, ROUTING, Task
from qkd_gym.errors import InvalidInput, require_integer

Batch = dict[str, NDArray[Any]]


class QKDVectorEnv(VectorEnv[Batch, NDArray[np.int64], NDArray[Any]]):
    """Many environments side by side, stepped by one compiled call.

    Member ``i`` with seed ``s`` plays exactly the episode that the single environment plays with
    seed ``s``. Finished members start their next episode in the same step (SAME_STEP autoreset):
    ``infos["final_obs"]`` and ``infos["final_info"]`` hold what they ended with, and every account
    in ``infos`` belongs to the step that was taken, also for finished members.

    Args:
        num_envs: Number of environments.
        scenario: Name of a scenario, a `NetworkConfig`, or a mapping of its fields; None takes
            the environment's own, see `qkd_gym.envs.tasks`.
        threads: Threads that step the batch, each a fixed part of it; None takes the environment
            variable ``QKD_GYM_THREADS``, or else one. Episodes do not depend on it.
        **overrides: Fields of `NetworkConfig` to change.

    Raises:
        InvalidInput: On an unknown scenario or field, or a value outside its range.
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
        require_integer("num_envs", num_envs, 1)
        chosen = self.task.default_scenario if scenario is None else scenario
        self.core = Core(chosen, overrides, num_envs, self.task, threads)
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
        """Starts all episodes; an integer seed gives member ``i`` the seed ``seed + i``."""
        seeds: list[int | None]
        if seed is None or isinstance(seed, (int, np.integer)):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise InvalidInput(f"seed has {len(seeds)} entries, but must have {self.num_envs}.")
        kept = self.core.generators
        self.core.generators = [
            kept[i] if one is None and kept else seeding.np_random(one)[0]
            for i, one in enumerate(seeds)
        ]
        self.core.start()
        return self.core.observe(), self.core.info()

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Batch, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Steps all environments; ``actions`` has shape (num_envs,) or (num_envs, 2)."""
        core = self.core
        core.step(np.asarray(actions, dtype=np.int64))
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

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions of every environment, (num_envs, actions)."""
        return self.core.masks


class LinkActivationVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.LinkActivationEnv`."""

    task = LINK_ACTIVATION


class RoutingVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.RoutingEnv`."""

    task = ROUTING


class NetworkVectorEnv(QKDVectorEnv):
    """Vector form of `qkd_gym.envs.env.NetworkEnv`."""

    task = NETWORK
