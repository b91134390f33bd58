"""What the evaluator costs beside stepping, and what a suite of all heuristics costs.

``python -m speed.evaluator`` steps the same episodes with and without the evaluator's
accounts, in turns, and compares CPU times: a ratio of one run, since machines differ.
"""

from __future__ import annotations

import time

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy
from qkd_gym.benchmark.suites import available_suites, get_suite
from qkd_gym.evaluation.episodes import play

BATCH, STEPS, ROUNDS = 64, 300, 7
EPISODES = 100


class Hold:
    """Costs nothing."""

    def __init__(self, hold):
        self.hold = hold

    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return self.hold, state


def overhead():
    seeds = list(range(BATCH))
    ratios, accounts_us = [], []
    for _ in range(ROUNDS):
        # Anew, since either is some per cent faster or slower by where its arrays lie.
        env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=BATCH, bank_size=4)
        policy = Hold(np.full(BATCH, env.single_action_space.n - 1))
        play(env, policy, seeds)
        start = time.process_time()
        play(env, policy, seeds)
        middle = time.process_time()
        obs, _ = env.reset(seed=seeds)
        for _ in range(STEPS):
            # As whoever decides by observations does.
            actions, _ = policy.predict(obs)
            obs, _, _, _, _ = env.step(actions)
        bare = time.process_time() - middle
        ratios.append((middle - start) / bare - 1.0)
        accounts_us.append(1e6 * (middle - start - bare) / BATCH / STEPS)
    print(
        f"evaluator: {100 * np.median(ratios):.0f} % more than stepping alone "
        f"({np.median(accounts_us):.2f} µs per step)"
    )


def suites():
    for name in available_suites():
        suite = get_suite(name)
        total = 0.0
        for scenario in suite.scenarios:
            env = gym.make_vec(suite.env_id, num_envs=1, scenario=scenario)
            for rule in suite.heuristics():
                policy = make_policy(rule, scenario=scenario)
                play(env, policy, [0])  # builds the network and its plans
                start = time.process_time()
                play(env, policy, [0])
                total += (time.process_time() - start) * EPISODES
        print(f"suite {name}: about {total / 60:.1f} CPU minutes for {EPISODES} episodes each")


if __name__ == "__main__":
    overhead()
    suites()
