"""Trains a stock MultiInputPolicy with Stable-Baselines3: PPO, DQN or RecurrentPPO.

These learners take no action masks: an illegal action does what holding does, and is counted in
``info["illegal_actions"]``. Learners with masks are MaskablePPO of sb3-contrib and GraphPPO.
Run it with ``python examples/sb3_stock.py ppo``, or ``dqn`` or ``recurrent``, with the
extra ``train``. Tested with stable-baselines3 2.9.2, sb3-contrib 2.9.2, torch 2.13.0, gymnasium
1.4.0.
"""

from __future__ import annotations

import argparse

from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN, PPO

from qkd_gym.evaluation import evaluate
from qkd_gym.sb3 import QKDVecEnv

ENV_ID = "qkd_gym/LinkActivation-v0"


def make(algorithm, env, seed=0):
    """A learner; DQN needs a `Discrete` action space, which all but Network-v0 have."""
    common = {"seed": seed, "gamma": 0.98, "device": "cpu"}
    if algorithm == "ppo":
        return PPO("MultiInputPolicy", env, n_steps=50, batch_size=100, **common)
    if algorithm == "recurrent":
        small = {"lstm_hidden_size": 64}
        return RecurrentPPO(
            "MultiInputLstmPolicy", env, n_steps=50, batch_size=100, policy_kwargs=small, **common
        )
    # Its buffer holds every observation twice, of kilobytes each; by default it has a million.
    return DQN(
        "MultiInputPolicy", env, buffer_size=20_000, learning_starts=100, train_freq=1, **common
    )


def train(algorithm, steps=20_000, num_envs=8, seed=0, **scenario):
    """Trains, and returns the learner."""
    env = QKDVecEnv(ENV_ID, num_envs=num_envs, **scenario)
    env.seed(seed)
    return make(algorithm, env, seed).learn(steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("algorithm", choices=["ppo", "dqn", "recurrent"])
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()
    scenario = {"scenario": "metro", "n_sites": 10}
    model = train(options.algorithm, options.steps, **scenario)
    print(evaluate(model, episodes=5, **scenario).mean())
