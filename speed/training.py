"""Training speed: the recipe's MaskablePPO with the graph network beside the naive form of it.

Both train the same policy on LinkActivation with 20 sites. The naive form joins a minibatch's
graphs one by one with torch-geometric's ``Batch.from_data_list``, trains every weight, keeps no
embeddings, and takes Stable-Baselines3's defaults (2,048 steps per rollout, 10 epochs, minibatches
of 64). Both learn from nothing and for the same rewards; the recipe as ``train.py`` runs it, with
its adviser and its control policy, is measured as a third. All figures are per CPU-second, of one
thread.

    python -m speed.training                         # speed and where the time goes
    python -m speed.training --cpu-s 120 --seeds 3   # and returns after equal CPU time
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer
from sb3_contrib.ppo_mask import ppo_mask
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch_geometric.data import Batch, Data

from qkd_gym.evaluation import evaluate
from qkd_gym.gnn.graphs import GraphBatch
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy, QKDVecEnv
from qkd_gym.sb3.recipe import Recipe, load_recipes
from qkd_gym.sb3.rollout import LeanRolloutBuffer

ENV_ID = "qkd_gym/LinkActivation-v0"
RECIPE = load_recipes(Path(__file__).parents[1] / "agents" / "LinkActivation.toml")["pointer"]
NETWORK = {"scenario": "metro"}
NAIVE_ENVS, NAIVE_ROLLOUT = 8, 2048
VALIDATION_SEED, VALIDATION_EPISODES = 500_000, 64
clock = time.process_time


class OneByOne(GraphFeaturesExtractor):
    """Joins graphs as torch-geometric's documentation does: one Data object per sample."""

    def collate(self, observation: dict[str, torch.Tensor]) -> GraphBatch:
        samples = []
        slots = observation["link_mask"].shape[1]
        for i, mask in enumerate(observation["link_mask"] > 0):
            ends = observation["link_endpoints"][i][mask].long()
            samples.append(
                Data(
                    x=observation["nodes"][i],
                    edge_index=ends.T,
                    edge_attr=observation["links"][i][mask],
                    slots=mask.nonzero()[:, 0] + i * slots,
                )
            )
        joined = Batch.from_data_list(samples)
        return GraphBatch(joined.x, joined.edge_attr, joined.edge_index, joined.slots)


def naive(seed: int = 0) -> OnPolicyAlgorithm:
    """The naive form, on environments as fast as the other's."""
    env = QKDVecEnv(
        ENV_ID, NAIVE_ENVS, reward_scale=0.05, subtract_offered=True, **NETWORK, split="train"
    )
    policy = {
        "features_extractor_class": OneByOne,
        "features_extractor_kwargs": {"frozen": False},
    }
    env.seed(seed)
    return MaskablePPO(
        LinkPointerPolicy,
        env,
        n_steps=NAIVE_ROLLOUT // NAIVE_ENVS,
        policy_kwargs=policy,
        seed=seed,
        device="cpu",
    )


def tuned(seed: int = 0) -> OnPolicyAlgorithm:
    """The recipe of ``train.py``, without the baseline that it starts from."""
    scratch = dataclasses.replace(RECIPE, adviser="", control_policy="")
    return complete(seed, dataclasses.replace(scratch, reward_scale=0.05))


def complete(seed: int = 0, recipe: Recipe = RECIPE) -> OnPolicyAlgorithm:
    """The recipe of ``train.py``."""
    env = recipe.environment(ENV_ID, NETWORK)
    env.seed(seed)
    return recipe.model(env, seed, None)


@contextmanager
def accounts() -> Iterator[dict[str, float]]:
    """CPU seconds by part of the training while the context lasts; inner parts are not counted
    twice."""
    spent: dict[str, float] = defaultdict(float)
    stack: list[float] = []

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = clock()
            stack.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                whole = clock() - start
                spent[part] += whole - stack.pop()
                if stack:
                    stack[-1] += whole

        return wrapper

    parts: list[tuple[str, Any, str]] = [
        ("network_forward", LinkViabilityGNN, "embed"),
        ("network_forward", LinkPointerPolicy, "forward"),
        ("network_forward", LinkPointerPolicy, "evaluate_actions"),
        ("network_forward", LinkPointerPolicy, "predict_values"),
        ("collate", OneByOne, "collate"),
        ("network_backward", torch.Tensor, "backward"),
        ("network_backward", torch.nn.utils, "clip_grad_norm_"),
        ("network_backward", torch.optim.Adam, "step"),
        ("environment", QKDVecEnv, "step_wait"),
        ("masks", ppo_mask, "get_action_masks"),
        ("rollout_buffer", MaskableDictRolloutBuffer, "add"),
        ("rollout_buffer", MaskableDictRolloutBuffer, "_get_samples"),
        ("rollout_buffer", LeanRolloutBuffer, "add"),
        ("rollout_buffer", LeanRolloutBuffer, "_get_samples"),
        ("rollout_buffer", MaskableDictRolloutBuffer, "compute_returns_and_advantage"),
    ]
    with ExitStack() as patches:
        for part, owner, name in parts:
            patches.enter_context(patch.object(owner, name, timed(part, getattr(owner, name))))
        yield spent


def speed(model: OnPolicyAlgorithm, rollouts: int) -> dict[str, float]:
    """Steps per CPU-second after one rollout and update, and shares of the time."""
    size = model.n_steps * model.n_envs
    model.learn(size)
    start = clock()
    model.learn(rollouts * size, reset_num_timesteps=False)
    plain_s = clock() - start
    with accounts() as spent:
        start = clock()
        model.learn(rollouts * size, reset_num_timesteps=False)
        whole_s = clock() - start
    result = {"steps_per_cpu_s": rollouts * size / plain_s}
    for part, seconds in spent.items():
        result[f"share_{part}"] = seconds / whole_s
    result["share_other"] = 1.0 - sum(spent.values()) / whole_s
    network = spent["network_forward"] + spent["network_backward"]
    result["share_outside_network"] = 1.0 - network / whole_s
    return result


def final_share(model: OnPolicyAlgorithm, timesteps: int) -> float:
    """Delivered share in validation after training."""
    model.learn(timesteps)
    settings: dict[str, Any] = {**NETWORK, "split": "validation"}
    result = evaluate(model.policy, ENV_ID, VALIDATION_EPISODES, VALIDATION_SEED, **settings)
    return result.mean()


def measure(cpu_s: float = 0.0, seeds: int = 3) -> dict[str, float]:
    """All figures of one run.

    Args:
        cpu_s: Training time for the comparison of returns; 0 leaves it out.
        seeds: Trainings of each form in that comparison.
    """
    torch.set_num_threads(1)
    results = {}
    forms: dict[str, Callable[[int], OnPolicyAlgorithm]] = {"naive": naive, "tuned": tuned}
    for name, make, rollouts in (("naive", naive, 1), ("tuned", tuned, 5), ("recipe", complete, 5)):
        results |= {f"{name}_{key}": value for key, value in speed(make(0), rollouts).items()}
    results["steps_ratio"] = results["tuned_steps_per_cpu_s"] / results["naive_steps_per_cpu_s"]
    if cpu_s > 0.0:
        for name, make in forms.items():
            timesteps = int(cpu_s * results[f"{name}_steps_per_cpu_s"])
            start = clock()
            shares = [final_share(make(seed), timesteps) for seed in range(seeds)]
            results[f"{name}_training_steps"] = timesteps
            results[f"{name}_cpu_s_per_training"] = (clock() - start) / seeds
            for seed, share in enumerate(shares):
                results[f"{name}_delivered_share_seed_{seed}"] = share
            results[f"{name}_delivered_share"] = float(np.mean(shares))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu-s", type=float, default=0.0, help="training time for the returns")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each form")
    options = parser.parse_args()
    print(json.dumps(measure(options.cpu_s, options.seeds), indent=1))


if __name__ == "__main__":
    main()
