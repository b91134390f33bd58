"""Checks of policies."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.baselines.policy import Policy
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.errors import shown
from qkd_gym.testing.common import MEMBERS, choices, equal, require, require_played, require_predict


def check_policy(
    policy: Policy,
    env_id: str = LINK_ACTIVATION.env_id,
    *,
    steps: int = 40,
    seed: int = 0,
    **env_kwargs: Any,
) -> None:
    """Checks that a policy can be evaluated: `qkd_gym.evaluation.evaluate` relies on all of this.

    Its actions are whole numbers, one or a row of them per observation, and legal; it leaves
    observations as they are; it decides deterministically when asked to, and the same for an
    episode alone as beside others; and what it carries from call to call is void for members whose
    episode starts.

    Args:
        policy: Anything with ``predict``; one that plans has a method ``watch``, see `evaluate`.
        env_id: Environment that it plays.
        steps: Decisions that are played.
        seed: Seed of the first episode.
        **env_kwargs: Arguments of the environment.

    Raises:
        AssertionError: If a promise is broken.
        InvalidInput: If an argument is out of range, or the environment cannot be made.
    """
    require_played(steps, seed)
    require_predict(policy, "a policy")
    together = _played(policy, env_id, MEMBERS, steps, seed, env_kwargs)
    again = _played(policy, env_id, MEMBERS, steps, seed, env_kwargs)
    _require_same("must decide the same once more", together, again)
    for member in range(MEMBERS):
        alone = _played(policy, env_id, 1, steps, seed + member, env_kwargs, check_start=True)
        words = f"must decide for episode {member} alone what it decides for it beside others"
        _require_same(words, together[:, member : member + 1], alone)


def _played(
    policy: Policy,
    env_id: str,
    batch: int,
    steps: int,
    seed: int,
    env_kwargs: Mapping[str, Any],
    *,
    check_start: bool = False,
) -> NDArray[np.int64]:
    """Actions of a policy, (steps, batch) or (steps, batch, 2).

    Half-way it is asked, if so wished, what it would do if its episodes began.
    """
    env = cast("QKDVectorEnv", gym.make_vec(env_id, num_envs=batch, **env_kwargs).unwrapped)
    if callable(getattr(policy, "watch", None)):
        policy.watch(env)  # type: ignore[attr-defined]
    shape, sizes = env.action_space.shape, choices(env.single_action_space)
    observation, _ = env.reset(seed=seed)
    starting, state, taken = np.ones(batch, bool), None, []
    try:
        for step in range(steps):
            kept = copy.deepcopy(observation)
            actions, next_state = policy.predict(
                observation, state=state, episode_start=starting, deterministic=True
            )
            actions = np.asarray(actions)
            require(
                actions.shape == shape and actions.dtype.kind in "iu",
                f"predict must return integers of shape {shape} for {batch} observations, but "
                f"returns {actions.dtype} of shape {actions.shape}",
            )
            require(
                equal(observation, kept),
                "predict must leave observations as they are, but changes them",
            )
            _check_legal(actions.reshape(batch, -1), kept["action_mask"], sizes, step)
            if check_start and step == steps // 2:
                _check_start(policy, observation, next_state, batch)
            taken.append(actions)
            observation, _, terminated, truncated, _ = env.step(actions)
            starting, state = terminated | truncated, next_state
    finally:
        env.close()
    return np.stack(taken)


def _check_legal(
    actions: NDArray[np.int64], masks: NDArray[Any], sizes: list[int], step: int
) -> None:
    first = 0
    for column, size in zip(actions.T, sizes, strict=True):
        inside = (column >= 0) & (column < size)
        legal = inside & (masks[np.arange(len(masks)), first + np.where(inside, column, 0)] > 0)
        for member in np.flatnonzero(~legal)[:1].tolist():
            raise AssertionError(
                f"Actions must be legal, but decision {step} of episode {member} is "
                f"{column[member]}, which the action mask forbids."
            )
        first += size


def _check_start(policy: Policy, observation: Any, state: Any, batch: int) -> None:
    """Asks as at the start of an episode, with and without what was carried."""
    starting = np.ones(batch, bool)
    carried, _ = policy.predict(
        observation, state=copy.deepcopy(state), episode_start=starting, deterministic=True
    )
    fresh, _ = policy.predict(observation, state=None, episode_start=starting, deterministic=True)
    require(
        np.array_equal(carried, fresh),
        "predict must not use what it carries of members whose episode_start is true, but does",
    )


def _require_same(words: str, actions: NDArray[np.int64], others: NDArray[np.int64]) -> None:
    for step in np.flatnonzero((actions != others).reshape(len(actions), -1).any(axis=1))[:1]:
        raise AssertionError(
            f"A policy {words}, but decision {step} is {shown(others[step].tolist())} instead of "
            f"{shown(actions[step].tolist())}."
        )
