"""Plays at random with Gymnasium alone: a single environment, then many in one vector environment.

Shows how the action mask is read in both, and where the vector form puts what an episode ended
with. Run it with ``python examples/plain_loop.py``; it needs no extra. Tested with gymnasium 1.4.0.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import qkd_gym  # noqa: F401  (registers the environments)
from qkd_gym.envs import sample_mask


def single(env_id="qkd_gym/LinkActivation-v0", seed=0, **scenario):
    """Plays an episode by legal actions and returns its rewards' sum and the delivered share."""
    env = gym.make(env_id, **scenario)
    env.action_space.seed(seed)
    _, info = env.reset(seed=seed)
    total, delivered, offered, over = 0.0, 0, 0, False
    while not over:
        action = env.action_space.sample(mask=sample_mask(info, env.action_space))
        _, reward, terminated, truncated, info = env.step(action)
        total += reward
        delivered += info["delivered_bits"]
        offered += info["offered_bits"]
        over = terminated or truncated
    env.close()
    return total, delivered / max(offered, 1)


def batched(env_id="qkd_gym/LinkActivation-v0", num_envs=16, steps=200, seed=0, **scenario):
    """Returns of the episodes that ended within some steps of a vector environment."""
    envs = gym.make_vec(env_id, num_envs=num_envs, **scenario)
    # The next episode starts in the same step, so that the rewards of a step belong to the old one.
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    rng = np.random.default_rng(seed)
    observations, _ = envs.reset(seed=seed)
    running, ended = np.zeros(num_envs), []
    for _ in range(steps):
        # The largest of random numbers, among legal actions, is a legal action drawn at random.
        # Masks are one of each member, (num_envs, actions).
        draws = rng.random(observations["action_mask"].shape) * observations["action_mask"]
        observations, rewards, terminated, truncated, _ = envs.step(draws.argmax(axis=1))
        running += rewards
        over = terminated | truncated  # infos["final_obs"] and ["final_info"] have what they were
        ended.extend(running[over].tolist())
        running[over] = 0.0
    envs.close()
    return ended


if __name__ == "__main__":
    print("one episode: return {:.2f}, delivered share {:.3f}".format(*single(scenario="metro")))
    returns = batched(scenario="metro", episode_s=3600.0)
    print(f"{len(returns)} episodes of a vector environment: mean return {np.mean(returns):.2f}")
