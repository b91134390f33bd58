"""Trains Tianshou's DQN on the links' features, under the action mask.

Tianshou reads a mask of legal actions from the entry ``mask`` of a dict observation whose entry
``obs`` goes to the network; its Q-learning policies then neither choose nor explore illegal
actions. Run it with ``python examples/tianshou_env.py``, in an environment of its own, as
docs/libraries.md says. Tested with tianshou 2.0.1, torch 2.13.0, gymnasium 1.4.0.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

import qkd_gym  # noqa: F401  (registers the environments)

ENV_ID = "qkd_gym/LinkActivation-v0"


class Masked(gym.ObservationWrapper):
    """The links' features and the mask under the names that Tianshou looks for.

    ``info`` is left out: Tianshou stores it, and refuses the NaNs of what was not measured.
    """

    def __init__(self, env):
        super().__init__(env)
        shape = (int(np.prod(env.observation_space["links"].shape)),)
        self.observation_space = gym.spaces.Dict(
            obs=gym.spaces.Box(-np.inf, np.inf, shape, np.float32),
            mask=gym.spaces.MultiBinary(int(env.action_space.n)),
        )

    def reset(self, **options):
        """Starts an episode."""
        return super().reset(**options)[0], {}

    def step(self, action):
        """Plays a decision."""
        return *super().step(action)[:4], {}

    def observation(self, observation):
        """Features (E * F,), and the mask (E + 1,)."""
        return {
            "obs": observation["links"].ravel().astype(np.float32),
            "mask": observation["action_mask"].astype(np.int8),
        }


def make(**scenario):
    """An environment for Tianshou."""
    return Masked(gym.make(ENV_ID, **scenario))


def learner(env, seed=0):
    """DQN for the sizes of an environment."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (Tianshou explores with NumPy's own generator)
    shape, actions = env.observation_space["obs"].shape, env.action_space.n
    policy = DiscreteQLearningPolicy(
        model=Net(state_shape=shape, action_shape=actions, hidden_sizes=(64, 64)),
        action_space=env.action_space,
        eps_training=0.1,
    )
    optim = AdamOptimizerFactory(lr=1e-3)
    return DQN(policy=policy, optim=optim, gamma=0.98, target_update_freq=100)


def train(steps, num_envs=4, seed=0, **scenario):
    """Trains for some decisions; returns the learner and what Tianshou tells of it."""
    envs = DummyVectorEnv([lambda: make(**scenario) for _ in range(num_envs)])
    envs.seed(seed)
    algorithm = learner(make(**scenario), seed)
    buffer = VectorReplayBuffer(min(steps, 20_000), num_envs)
    collector = Collector(algorithm, envs, buffer, exploration_noise=True)
    told = algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=steps,
            collection_step_num_env_steps=10 * num_envs,
            update_step_num_gradient_steps_per_sample=0.25,
            batch_size=64,
            show_progress=False,
        )
    )
    envs.close()
    return algorithm, told, buffer


if __name__ == "__main__":
    _, found, played = train(2000, scenario="metro-10")
    print(f"{len(played)} decisions, {found.update_step} updates")
