"""Trains a stock policy with Stable-Baselines3: PPO, DQN, RecurrentPPO or MaskablePPO.

All but the last take no action masks: an illegal action does what holding does, and is counted in
``info["illegal_actions"]``. Run it with ``python examples/sb3_stock.py ppo``, or ``dqn``,
``recurrent`` or ``maskable``, with the extra ``train``. What ``maskable`` has learned plays as
``examples.sb3_stock:Trained`` on the package's command lines, from the folder above. Tested with
stable-baselines3 2.9.2, sb3-contrib 2.9.2, torch 2.13.0, gymnasium 1.4.0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import DQN, PPO

from qkd_gym.evaluation import evaluate
from qkd_gym.sb3 import QKDVecEnv

ENV_ID = "qkd_gym/LinkActivation-v0"
FILE = Path("runs/sb3_stock.zip")  # what has been learned


def make(algorithm, env, seed=0):
    """A learner; DQN needs a `Discrete` action space, which all but Network-v0 have."""
    common = {"seed": seed, "gamma": 0.98, "device": "cpu"}
    if algorithm == "ppo":
        return PPO("MultiInputPolicy", env, n_steps=50, batch_size=100, **common)
    if algorithm == "maskable":
        return MaskablePPO("MultiInputPolicy", env, n_steps=50, batch_size=400, **common)
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
    # Returns of order one, or the critic would have all of the gradient, which is clipped.
    env = QKDVecEnv(ENV_ID, num_envs=num_envs, reward_scale=0.05, **scenario)
    env.seed(seed)
    return make(algorithm, env, seed).learn(steps)


class Trained:
    """The MaskablePPO of the file, which gets the masks that its own ``predict`` asks for.

    A benchmark's journal knows this file's text alone: after another training, begin another.
    """

    env_id = ENV_ID

    def __init__(self):
        self._model = MaskablePPO.load(FILE, device="cpu")

    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        """Actions for a batch of observations, and the state that it was given."""
        masks = obs["action_mask"].astype(bool)
        return self._model.predict(obs, state, episode_start, deterministic, masks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("algorithm", choices=["ppo", "dqn", "recurrent", "maskable"])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--scenario", default="metro-10")
    options = parser.parse_args()
    scenario = {"scenario": options.scenario}
    model = train(options.algorithm, options.steps, options.num_envs, **scenario)
    model.save(FILE)
    print(evaluate(model, episodes=5, **scenario).mean())
