"""Checks of opponents."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.errors import shown
from qkd_gym.opponents import Opponent, View
from qkd_gym.testing.common import MEMBERS, legal_action, require, require_played, require_predict


def check_opponent(
    opponent: Opponent, *, steps: int = 40, seed: int = 0, **env_kwargs: Any
) -> None:
    """Checks that an opponent can be that of a scenario, by playing against it at random.

    It answers every view with a number per link, the same view alike every time, and each episode
    alone as beside others.

    Args:
        opponent: An object with a method ``predict``, see `qkd_gym.opponents.Opponent`.
        steps: Decision intervals that are played.
        seed: Seed of the first episode.
        **env_kwargs: Arguments of the environment.

    Raises:
        AssertionError: If a promise is broken.
        InvalidInput: If an argument is out of range, or the environment cannot be made.
    """
    require_played(steps, seed)
    require_predict(opponent, "an opponent")
    settings = {"opponent": "random", **env_kwargs}
    made = gym.make_vec(LINK_ACTIVATION.env_id, num_envs=MEMBERS, **settings)
    env, rng = cast("QKDVectorEnv", made.unwrapped), np.random.default_rng(seed)
    opposition = env.core.opposition
    assert opposition is not None
    env.reset(seed=seed)
    opposition.opponent = opponent
    try:
        for _ in range(steps):
            _check(opponent, opposition.view(np.arange(MEMBERS)))
            masks = env.action_masks()
            env.step(np.array([legal_action(env.single_action_space, m, rng) for m in masks]))
    finally:
        env.close()


def _check(opponent: Opponent, view: View) -> None:
    answer = _answer(opponent, view)
    require(
        np.array_equal(_answer(opponent, view), answer, equal_nan=True),
        "the same view must be answered alike, but was not: draws are in view.random",
    )
    for member in range(MEMBERS):
        alone = View._make(array[member : member + 1] for array in view)
        require(
            np.array_equal(_answer(opponent, alone)[0], answer[member], equal_nan=True),
            f"episode {member} alone must be answered as beside others, but was not",
        )


def _answer(opponent: Opponent, view: View) -> NDArray[Any]:
    answer = opponent.predict(view)
    is_right = isinstance(answer, np.ndarray) and answer.shape == view.is_open.shape
    require(
        is_right and answer.dtype.kind in "fiub",
        f"predict must return numbers of shape {view.is_open.shape}, but returns {shown(answer)}",
    )
    return answer.copy()
