"""The native vector environments as a `VecEnv` of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from qkd_gym.baselines import Policy
from qkd_gym.envs.starting import read_seeds
from qkd_gym.envs.tasks import LINK_ACTIVATION, get_task
from qkd_gym.envs.vector import Batch, QKDVectorEnv
from qkd_gym.errors import InvalidInput, require_number
from qkd_gym.features import FEATURE_LIMIT
from qkd_gym.sb3.advice import Adviser, advise
from qkd_gym.sb3.control import Control, link_means

_ACCOUNTS = (
    "offered_bits",
    "delivered_bits",
    "blocked_bits",
    "qber_weighted_bits",
    "overflow_bits",
    "generated_bits",
)


class QKDVecEnv(VecEnv):
    """Many environments in one compiled call, with the semantics that SB3 expects.

    Args:
        env_id: One of the package's environments.
        num_envs: Number of environments.
        reward_scale: Factor on the rewards, which keeps the critic's targets of order one.
        subtract_offered: Whether to reward minus the blocked instead of the delivered key. The
            offered key does not depend on the actions, so the best policy is the same and the
            variance is less.
        adviser: A rule or schedule whose scores of the links are then part of the observation, as
            ``advice``.
        control_policy: A policy that plays the same episodes in a control environment, and whose
            rewards are subtracted as a control variate. They do not depend on the actions taken
            here, so the best policy is the same; but what the two have in common, luck above all,
            no longer disturbs the learner. How the links' mean features differ from those in the
            control environment becomes part of the observation, as ``control_difference``, for
            critics, which must foresee the difference in rewards. Where a step need not let time
            pass, the control policy waits until it does, and its rewards are those of the same
            interval.
        **env_kwargs: Arguments of the environment.

    Attributes:
        env: The vector environment behind it.
        control: The episodes of the control policy; None without one.
        accounts: What the last step or reset was accounted for, as the vector environment's infos
            have it: ``"delivered_bits"`` and all others of `qkd_gym.network.accounts` by name,
            arrays of shape (num_envs,), also of episodes that the step ended, and
            ``"reward_terms"``. Wrappers read ``self.venv.accounts`` after ``step_wait``; it costs
            nothing.
        totals: Accounts of all steps since `pop_totals` was last called.

    Raises:
        InvalidInput: On an unknown environment, or a value outside its range.
    """

    def __init__(
        self,
        env_id: str = LINK_ACTIVATION.env_id,
        num_envs: int = 64,
        *,
        reward_scale: float = 1.0,
        subtract_offered: bool = False,
        adviser: Adviser | None = None,
        control_policy: Policy | None = None,
        **env_kwargs: Any,
    ) -> None:
        require_number("reward_scale", reward_scale, 0.0, low_open=True)
        self._task = get_task(env_id)
        make = partial(gym.make_vec, env_id, num_envs, **env_kwargs)
        self.env = cast("QKDVectorEnv", make().unwrapped)
        self.control: Control | None = None
        if control_policy is not None:
            self.control = Control(cast("QKDVectorEnv", make().unwrapped), control_policy)
        self.reward_scale, self.subtract_offered = reward_scale, subtract_offered
        self._adviser = adviser
        fields: dict[str, Any] = dict(self.env.single_observation_space)  # type: ignore[call-overload]
        n_links, n_features = fields["links"].shape
        box = partial(spaces.Box, -FEATURE_LIMIT, FEATURE_LIMIT, dtype=np.float32)
        if control_policy is not None:
            fields["control_difference"] = box(shape=(n_features,))
        if adviser is not None:
            fields["advice"] = box(shape=(n_links + 1,))
        super().__init__(num_envs, spaces.Dict(fields), self.env.single_action_space)
        self._seed: int | None = None
        self._actions: NDArray[np.int64] = np.zeros(num_envs, dtype=np.int64)
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        self.accounts: dict[str, Any] = {}
        self.totals = dict.fromkeys(_ACCOUNTS, 0.0)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the next reset; member i gets ``seed + i``.

        Raises:
            InvalidInput: If the seed is neither None nor a non-negative integer.
        """
        seeds = read_seeds(seed, self.num_envs)
        self._seed = seeds[0]
        return seeds

    def reset(self) -> dict[str, NDArray[Any]]:  # type: ignore[override]
        """Starts all episodes."""
        if self.control is not None:
            if self._seed is None and not self.control.has_begun:
                # Both environments must play the same episodes.
                self._seed = int(np.random.default_rng().integers(2**31))
            self.control.reset(self._seed)
        seen, self.accounts = self.env.reset(seed=self._seed)
        observation = self._extended(seen)
        if self.control is not None:
            observation["control_difference"] -= self.control.means
        self._seed = None
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return observation

    def _extended(self, observation: Batch) -> Batch:
        """The observation with what this class adds to it; of the control difference the means of
        the links, from which those of the control are still to be subtracted."""
        observation = dict(observation)
        # What reads a whole observation does so at once, while it is in the processor's cache.
        if self.control is not None:
            observation["control_difference"] = link_means(observation["links"])
        if self._adviser is not None:
            observation["advice"] = advise(self._adviser, observation)
        return observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Holds the actions until `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Steps all environments; infos are empty but for those that ended.

        These have the episode's totals as ``"episode_totals"``, and in ``"episode"`` too, which
        learners keep in their ``ep_info_buffer``.
        """
        intervals = self.env.core.simulator.state.episodes["interval"]
        before = intervals.copy()
        seen, rewards, _, ended, infos = self.env.step(self._actions)
        observation, self.accounts = self._extended(seen), infos
        for name in _ACCOUNTS:
            self.totals[name] += float(infos[name].sum())
        self._returns += rewards
        self._lengths += 1
        if self.control is not None:
            if self._task.decides_releases:
                passed = np.flatnonzero((intervals != before) | ended)
                rewards = rewards - self.control.let_interval_pass(passed)
            else:
                rewards = rewards - self.control.step()
            observation["control_difference"] -= self.control.means
        elif self.subtract_offered:
            rewards = rewards - infos["offered_bits"] / self._mean_offered()
        scaled = (self.reward_scale * rewards).astype(np.float32)
        reported: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(ended):
            last, totals = infos["final_obs"][i], infos["final_info"]["episode_totals"]
            reported_totals = {name: float(values[i]) for name, values in totals.items()}
            if self.control is not None:
                difference = link_means(last["links"][None])[0] - self.control.last_means[i]
                last = {**last, "control_difference": difference}
            reported[i] = {
                "terminal_observation": last,
                "TimeLimit.truncated": True,
                "episode": {
                    "r": float(self._returns[i]),
                    "l": int(self._lengths[i]),
                    "episode_totals": reported_totals,
                },
                "episode_totals": reported_totals,
            }
        self._returns[ended] = 0.0
        self._lengths[ended] = 0
        return observation, scaled, ended, reported

    def _mean_offered(self) -> NDArray[np.float64]:
        """Mean offered bits per step of each member's network."""
        simulator = self.env.core.simulator
        networks = simulator.bank.networks[simulator.state.episodes["network"]]
        if self._task.decides_paths:
            return np.asarray(networks["mean_request_bits"])
        return np.asarray(networks["mean_offered_bps"] * simulator.params["interval_s"][0])

    def pop_totals(self) -> dict[str, float]:
        """The accounts of all steps since the last call, which begin anew."""
        totals, self.totals = self.totals, dict.fromkeys(_ACCOUNTS, 0.0)
        return totals

    def close(self) -> None:
        """Ends the use of the environments, which then raise Gymnasium's error."""
        self.env.close()
        if self.control is not None:
            self.control.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The vector environment's attribute, once per asked member."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Members share one simulator, so no attribute can be set on some of them."""
        raise InvalidInput(f"attribute {attr_name!r} cannot be set on a native vector environment.")

    def has_attr(self, attr_name: str) -> bool:
        """Whether the vector environment has the attribute."""
        return hasattr(self.env, attr_name)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls a method of the vector environment and returns a row per asked member."""
        rows = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [rows[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No member is wrapped."""
        return [False for _ in self._get_indices(indices)]
