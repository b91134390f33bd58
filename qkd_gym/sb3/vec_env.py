"""The native vector environments as a `VecEnv` of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.baselines import Policy
from qkd_gym.baselines.activation import ScoredActivation
from qkd_gym.envs.vector import Batch, QKDVectorEnv
from qkd_gym.errors import InvalidInput, require_between
from qkd_gym.features import FEATURE_LIMIT
from qkd_gym.gnn.graphs import GRAPH_KEYS, batch_graphs
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.sb3.advice import advise

ACCOUNTS = (
    "offered_bits",
    "delivered_bits",
    "blocked_bits",
    "qber_weighted_bits",
    "overflow_bits",
    "generated_bits",
    "switches",
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
        embedder: A frozen viability network. Its embeddings are then part of the observation, as
            ``link_embedding``, and are computed once per step instead of in every update.
        adviser: A rule whose opinion is then part of the observation, as ``advice``.
        rival: A policy that plays the same episodes beside and whose rewards are subtracted. They
            do not depend on the actions taken here, so the best policy is the same; but what the
            two have in common, luck above all, no longer disturbs the learner. How the links' mean
            features differ from the rival's becomes part of the observation, as ``lead``, for
            critics, which must foresee the difference.
        **env_kwargs: Arguments of the environment.

    Attributes:
        totals: Accounts of all steps since `take_totals` was last called.
    """

    def __init__(
        self,
        env_id: str = "qkd_gym/LinkActivation-v0",
        num_envs: int = 64,
        *,
        reward_scale: float = 1.0,
        subtract_offered: bool = False,
        embedder: LinkViabilityGNN | None = None,
        adviser: ScoredActivation | None = None,
        rival: Policy | None = None,
        **env_kwargs: Any,
    ) -> None:
        require_between("reward_scale", reward_scale, 0.0, low_open=True)
        made = gym.make_vec(env_id, num_envs=num_envs, **env_kwargs).unwrapped
        if not isinstance(made, QKDVectorEnv):
            raise InvalidInput(f"env_id is {env_id!r}, but must be one of the package's.")
        self.env = made
        self.reward_scale, self.subtract_offered = reward_scale, subtract_offered
        self._embedder, self._adviser, self._rival = embedder, adviser, rival
        self._beside = None
        if rival is not None:
            beside = gym.make_vec(env_id, num_envs=num_envs, **env_kwargs).unwrapped
            assert isinstance(beside, QKDVectorEnv)
            self._beside = beside
        self._seen_beside: Any = None
        space: Any = made.single_observation_space
        if rival is not None:
            width = (space["links"].shape[1],)
            lead = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, width, np.float32)
            space = spaces.Dict({**space.spaces, "lead": lead})
        if embedder is not None:
            shape = (space["links"].shape[0], embedder.hidden)
            embedding = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, shape, np.float32)
            space = spaces.Dict({**space.spaces, "link_embedding": embedding})
        if adviser is not None:
            choices = (space["links"].shape[0] + 1,)
            advice = spaces.Box(-FEATURE_LIMIT, FEATURE_LIMIT, choices, np.float32)
            space = spaces.Dict({**space.spaces, "advice": advice})
        super().__init__(num_envs, space, made.single_action_space)
        self._seed: int | None = None
        self._actions: NDArray[np.int64] = np.zeros(num_envs, dtype=np.int64)
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        self._nothing: list[dict[str, Any]] = [{} for _ in range(num_envs)]
        self.totals = dict.fromkeys(ACCOUNTS, 0.0)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the next reset; member i gets ``seed + i``."""
        self._seed = seed
        return [None if seed is None else seed + i for i in range(self.num_envs)]

    def reset(self) -> dict[str, NDArray[Any]]:  # type: ignore[override]
        """Starts all episodes."""
        if self._beside is not None:
            if self._seed is None and self._seen_beside is None:
                self._seed = int(np.random.default_rng().integers(2**31))
            self._seen_beside, _ = self._beside.reset(seed=self._seed)
        observation, _ = self.env.reset(seed=self._seed)
        self._seed = None
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return self._extended(observation)

    def _extended(self, observation: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if self._beside is not None:
            lead = _lead(observation, self._seen_beside)
            observation = {**observation, "lead": lead}
        if self._adviser is not None:
            observation = {**observation, "advice": advise(self._adviser, observation)}
        if self._embedder is None:
            return observation
        device = next(self._embedder.parameters()).device
        tensors = {name: torch.as_tensor(observation[name]).to(device) for name in GRAPH_KEYS}
        graphs = batch_graphs(tensors)
        shape = (*observation["link_mask"].shape, self._embedder.hidden)
        embedding = np.zeros((shape[0] * shape[1], shape[2]), np.float32)
        with torch.no_grad():
            embedding[graphs.slots.cpu().numpy()] = self._embedder.embed(graphs).cpu().numpy()
        return {**observation, "link_embedding": embedding.reshape(shape)}

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Steps all environments; infos are empty but for those that ended."""
        observation, rewards, _, ended, infos = self.env.step(self._actions)
        for name in ACCOUNTS:
            self.totals[name] += float(infos[name].sum())
        self._returns += rewards
        self._lengths += 1
        if self._beside is not None and self._rival is not None:
            actions, _ = self._rival.predict(self._seen_beside)
            self._seen_beside, others, _, _, infos_beside = self._beside.step(actions)
            rewards = rewards - others
        elif self.subtract_offered:
            rewards = rewards - infos["offered_bits"] / self._mean_offered()
        given = (self.reward_scale * rewards).astype(np.float32)
        reported = self._nothing
        if ended.any():
            reported = list(self._nothing)
            for i in np.flatnonzero(ended):
                last = infos["final_obs"][i]
                if self._beside is not None:
                    last = {**last, "lead": _lead(last, infos_beside["final_obs"][i])}
                reported[i] = {
                    "terminal_observation": last,
                    "TimeLimit.truncated": True,
                    "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i])},
                }
            self._returns[ended] = 0.0
            self._lengths[ended] = 0
        return self._extended(observation), given, ended, reported

    def _mean_offered(self) -> NDArray[np.float64]:
        """Mean offered bits per step of each member's network."""
        simulator = self.env.core.simulator
        networks = simulator.bank.networks[simulator.state.episodes["network"]]
        if "paths" in self.observation_space.spaces:  # type: ignore[attr-defined]
            return np.asarray(networks["mean_request_bits"])
        return np.asarray(networks["mean_offered_bps"] * simulator.params["interval_s"][0])

    def take_totals(self) -> dict[str, float]:
        """The accounts since the last call."""
        taken = self.totals
        self.totals = dict.fromkeys(taken, 0.0)
        return taken

    def close(self) -> None:
        """Nothing to free."""

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


def _lead(own: Batch, others: Batch) -> NDArray[np.float32]:
    """Mean link features of the observations less those of others, (..., features)."""
    return np.asarray((own["links"] - others["links"]).mean(axis=-2))
