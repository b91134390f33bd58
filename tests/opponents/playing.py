"""Episodes with an opponent, for the tests of several files."""

import gymnasium as gym
import numpy as np

from qkd_gym.envs.tasks import LINK_ACTIVATION

SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 1800.0}


def make(opponent="busiest", env_id=LINK_ACTIVATION.env_id, num_envs=4, **changes):
    """A vector environment, just reset."""
    env = gym.make_vec(env_id, num_envs=num_envs, **{**SMALL, "opponent": opponent, **changes})
    env.reset(seed=5)
    return env


def draw(env, rng):
    """Legal actions of all members."""
    masks, space = env.action_masks(), env.single_action_space
    sizes = [space.n] if isinstance(space, gym.spaces.Discrete) else space.nvec
    parts = np.split(masks, np.cumsum(sizes)[:-1], axis=1)
    actions = [[rng.choice(np.flatnonzero(row)) for row in part] for part in parts]
    return np.array(actions[0] if len(actions) == 1 else actions).T


def play(env, steps, seed=0):
    """Rewards and all that an episode holds, over some steps."""
    rng, record, core = np.random.default_rng(seed), [], env.unwrapped.core
    for _ in range(steps):
        _, rewards, *_ = env.step(draw(env.unwrapped, rng))
        arrays = (*core.simulator.arrays, *core.opposition.attacks)
        record.append([np.copy(rewards), *(array.copy() for array in arrays)])
    return record


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        for array, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, same)
