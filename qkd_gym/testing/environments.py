"""Checks of environments and of wrappers around them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.testing.common import (
    MEMBERS,
    choices,
    equal,
    legal_action,
    require,
    require_played,
)

_TOLERANCE = 1e-9  # of a sum of reward terms, beside the largest of them
_FLOWS = ("generated_bits", "consumed_bits", "overflow_bits", "expired_bits")


def check_env(
    env: gym.Env[Any, Any] | str, *, steps: int = 200, seed: int = 0, **env_kwargs: Any
) -> None:
    """Checks an environment, wrapped or not, by playing legal actions at random.

    It must reset to the same episode with the same seed, and to another one with another; its
    observations lie in its space and belong to the caller; masks agree, never forbid everything,
    and mean what they say; key is neither made nor lost between the accounts; and the terms of the
    reward add up to it. A wrapper that adds to the reward adds its term to
    ``info["reward_terms"]``.

    Args:
        env: The environment, which is reset, or its id. Of an id with a vector form, that is
            checked to play the same episodes.
        steps: Steps that are played, over several episodes where one is shorter.
        seed: Seed of the first episode.
        **env_kwargs: Arguments of the environment with this id.

    Raises:
        AssertionError: If a promise is broken.
        InvalidInput: If an argument is out of range, or the environment cannot be made.
    """
    require_played(steps, seed)
    if not isinstance(env, str):
        if env_kwargs:
            raise InvalidInput(
                f"env is {shown(env)}, but must be an id beside {shown(next(iter(env_kwargs)))}, "
                "which is an argument of gymnasium.make."
            )
        _check_single(env, steps, seed)
        return
    made = gym.make(env, **env_kwargs)
    try:
        _check_single(made, steps, seed)
        if gym.spec(env).vector_entry_point is not None:
            _check_vector(env, made, steps, seed, env_kwargs)
    finally:
        made.close()


def _check_single(env: gym.Env[Any, Any], steps: int, seed: int) -> None:
    first, info = env.reset(seed=seed)
    _check_state(env, first, info)
    rng, actions = np.random.default_rng(seed), []
    kept, before, rewards = copy.deepcopy(first), info, []
    started: tuple[Any, Any] | None = (first, kept)
    for _ in range(steps):
        action = legal_action(env.action_space, info["action_mask"], rng)
        observation, reward, terminated, truncated, info = env.step(action)
        actions.append(action)
        rewards.append(reward)
        require(
            type(terminated) is bool and type(truncated) is bool,
            f"step must return two truth values, but returns {shown((terminated, truncated))}",
        )
        _check_state(env, observation, info)
        _check_step(reward, info, before)
        before = info
        if started is not None:
            require(
                equal(*started),
                "an observation belongs to the caller, but step has changed that of reset",
            )
            started = None
        if terminated or truncated:
            _, info = env.reset()
            before = info
    _check_illegal(env, seed)
    again, info = env.reset(seed=seed)
    require(equal(again, kept), f"reset(seed={seed}) must repeat itself, but does not")
    for action, reward in zip(actions, rewards, strict=True):
        _, repeated, terminated, truncated, info = env.step(action)
        require(
            repeated == reward,
            f"the same seed and actions must give the same rewards, but {repeated!r} follows where "
            f"{reward!r} did",
        )
        if terminated or truncated:
            env.reset()
    other, _ = env.reset(seed=seed + 1)
    require(not equal(other, kept), f"seeds {seed} and {seed + 1} must differ, but do not")


def _check_state(env: gym.Env[Any, Any], observation: Any, info: Mapping[str, Any]) -> None:
    space = env.observation_space
    if isinstance(space, spaces.Dict) and isinstance(observation, Mapping):
        for name, part in space.items():
            require(
                name in observation and observation[name] in part,
                f"the observation's {name} must be in the observation space, but is not",
            )
    require(observation in space, "the observation must be in the observation space, but is not")
    require("action_mask" in info, "info must hold action_mask, but does not")
    mask = np.asarray(info["action_mask"], bool)
    sizes = choices(env.action_space)
    require(
        mask.shape == (sum(sizes),),
        f"action_mask must have shape ({sum(sizes)},), but has {mask.shape}",
    )
    for allowed in np.split(mask, np.cumsum(sizes)[:-1]):
        require(bool(allowed.any()), "some action must be legal, but action_mask allows none")
    asked = np.asarray(env.get_wrapper_attr("action_masks")(), bool)
    require(
        np.array_equal(mask, asked), "action_masks() must agree with info['action_mask'], but not"
    )
    if isinstance(observation, Mapping) and "action_mask" in observation:
        require(
            np.array_equal(mask, np.asarray(observation["action_mask"], bool)),
            "the observation's action_mask must agree with info['action_mask'], but does not",
        )


def _check_step(reward: Any, info: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    generated, consumed, overflow, expired = (int(info[name]) for name in _FLOWS)
    change = int(info["stored_bits"]) - int(before["stored_bits"])
    kept = generated - consumed - overflow - expired
    require(
        change == kept,
        f"stored_bits changes by {change}, but generated - consumed - overflow - expired is {kept}",
    )
    decided = int(info["delivered_bits"]) + int(info["blocked_bits"])
    waiting = int(info["waiting_bits"]) - int(before["waiting_bits"])
    require(
        int(info["offered_bits"]) == decided + waiting,
        f"offered_bits is {info['offered_bits']}, but delivered, blocked and newly waiting bits "
        f"are {decided + waiting}",
    )
    require(
        info["illegal_actions"] == 0,
        "a legal action was counted in illegal_actions, but must not be",
    )
    require(
        isinstance(reward, float) and np.isfinite(reward),
        f"the reward must be a finite float, but is {shown(reward)}",
    )
    terms = info["reward_terms"]
    largest = max([1.0, *map(abs, terms.values())])
    require(
        abs(sum(terms.values()) - reward) <= _TOLERANCE * largest,
        f"the reward is {reward!r}, but info['reward_terms'] adds up to {sum(terms.values())!r}",
    )


def _check_illegal(env: gym.Env[Any, Any], seed: int) -> None:
    """Takes an action that the mask forbids, if there is one."""
    _, info = env.reset(seed=seed)
    mask, sizes = np.asarray(info["action_mask"], bool), choices(env.action_space)
    action = legal_action(env.action_space, mask, np.random.default_rng(seed))
    parts = np.split(mask, np.cumsum(sizes)[:-1])
    forbidden = [(i, np.flatnonzero(~part)) for i, part in enumerate(parts) if not part.all()]
    if not forbidden:
        return
    at, masked = forbidden[0]
    taken = np.array(action).reshape(-1)
    taken[at] = masked[0]
    wrong = taken if len(sizes) > 1 else int(taken[0])
    _, _, _, _, info = env.step(wrong)
    require(
        info["illegal_actions"] == 1,
        f"action {shown(wrong)} is not in the mask, but illegal_actions counts "
        f"{info['illegal_actions']}",
    )


def _check_vector(
    env_id: str, single: gym.Env[Any, Any], steps: int, seed: int, env_kwargs: Mapping[str, Any]
) -> None:
    """Plays the first episode of each member beside the single environment."""
    vector = gym.make_vec(env_id, num_envs=MEMBERS, **env_kwargs)
    try:
        for member in range(MEMBERS):
            seen, infos = vector.reset(seed=seed)
            alone, info = single.reset(seed=seed + member)
            rng, over = np.random.default_rng(seed), False
            for step in range(steps // MEMBERS + 1):
                where = f"step {step} of member {member} of the vector environment"
                seen = cast("dict[str, NDArray[Any]]", seen)
                for name, array in alone.items():
                    require(
                        np.array_equal(seen[name][member], array),
                        f"{where} must be that of the single one, but {name} is another",
                    )
                action = legal_action(single.action_space, info["action_mask"], rng)
                actions = np.repeat(np.asarray(action)[None], MEMBERS, axis=0)
                alone, reward, _, over, info = single.step(action)
                seen, rewards, _, _, infos = vector.step(actions)
                require(
                    rewards[member] == reward,
                    f"{where} must be that of the single one, but has reward {rewards[member]!r} "
                    f"in place of {reward!r}",
                )
                for name in (*_FLOWS, "stored_bits", "delivered_bits"):
                    require(
                        infos[name][member] == info[name],
                        f"{where} must be that of the single one, but {name} is another",
                    )
                if over:
                    break
    finally:
        vector.close()
