"""Trains the package's graph network with RLlib, under the action mask.

RLlib's new API stack steps environments in env runners, processes of this machine or of a Ray
cluster, and learns in a learner. Run it with ``python examples/rllib.py``; install it as
docs/ray.md says.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import gymnasium as gym
import ray
import torch
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import nn

from qkd_gym.sb3 import GraphFeaturesExtractor

# With the module's name, so that every env runner registers the environments.
ENV_ID = "qkd_gym:qkd_gym/LinkActivation-v0"
VECTOR, SYNC = gym.VectorizeMode.VECTOR_ENTRY_POINT, gym.VectorizeMode.SYNC


class GraphModule(TorchRLModule, ValueFunctionAPI):
    """A logit per candidate link from its encoding, and one to hold; masked ones are not drawn."""

    def setup(self):
        """Makes the networks; the viability network has its shipped weights and keeps them."""
        self.extractor = GraphFeaturesExtractor(self.observation_space)
        self.link = nn.Linear(self.extractor.width, 1)
        self.hold = nn.Linear(self.extractor.features_dim, 1)
        self.value = nn.Linear(self.extractor.features_dim, 1)

    def _forward(self, batch, **kwargs):
        observation = batch[Columns.OBS]
        encoding = self.extractor.encode(observation)
        logits = torch.cat([self.link(encoding.links)[..., 0], self.hold(encoding.pooled)], dim=1)
        legal = observation["action_mask"].bool()
        return {Columns.ACTION_DIST_INPUTS: logits.masked_fill(~legal, -1e9)}

    def compute_values(self, batch, embeddings=None):
        """Values of the observations, (B,)."""
        return self.value(self.extractor(batch[Columns.OBS]))[:, 0]


def configure(mode=VECTOR, runners=2, envs=16, seed=0, steps=4800, **scenario):
    """A PPO configuration.

    Args:
        mode: VECTOR steps the native vector environment, SYNC single ones in turn.
        runners: Env runners, each a process; 0 steps in the learner's process.
        envs: Environments of each.
        seed: Seed of everything.
        steps: Decisions between updates.
        **scenario: Arguments of the environment.
    """
    if mode == VECTOR:
        # RLlib drops the step that follows the end of an episode, as in Gymnasium's own vector
        # environments; the package's own default starts the next episode in the same step.
        scenario |= {"autoreset_mode": "NextStep"}
    return (
        PPOConfig()
        .environment(ENV_ID, env_config=scenario)
        .env_runners(
            num_env_runners=runners,
            num_envs_per_env_runner=envs,
            gym_env_vectorize_mode=mode,
        )
        .fault_tolerance(restart_failed_env_runners=True)
        .rl_module(rl_module_spec=RLModuleSpec(module_class=GraphModule))
        .training(
            train_batch_size_per_learner=steps,
            minibatch_size=min(400, steps),
            num_epochs=4,
            lr=1e-3,
            gamma=0.98,
            lambda_=0.9,
            entropy_coeff=0.001,
        )
        .learners(num_learners=0)
        .debugging(seed=seed, log_level="ERROR")
    )


def train(config, iterations):
    """Mean return of the episodes that ended in each iteration, NaN where none did."""
    algorithm = PPO(config)
    try:
        found = [algorithm.train()["env_runners"] for _ in range(iterations)]
    finally:
        algorithm.stop()
    return [each.get("episode_return_mean", float("nan")) for each in found]


def main():
    """Trains on small networks and prints the returns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--runners", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sync", action="store_true", help="step single environments in turn")
    parser.add_argument("--address", default="local", help="of a Ray cluster")
    options = parser.parse_args()
    ray.init(address=options.address, log_to_driver=False, logging_level="ERROR")
    mode = SYNC if options.sync else VECTOR
    config = configure(mode, options.runners, seed=options.seed, scenario="metro", n_sites=10)
    for iteration, value in enumerate(train(config, options.iterations)):
        print(f"iteration {iteration}: mean return {value:.2f}", flush=True)


if __name__ == "__main__":
    main()
