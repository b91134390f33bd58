"""Imitation of a classical policy before reinforcement learning starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss
from tqdm import tqdm

from qkd_gym.baselines.policy import Policy
from qkd_gym.sb3.policy import LinkPointerPolicy, action_choices
from qkd_gym.sb3.vec_env import QKDVecEnv

Observation = dict[str, NDArray[Any]]


def _tensors(observation: Observation, device: torch.device) -> dict[str, Tensor]:
    return {
        name: torch.tensor(array, dtype=torch.float32, device=device)
        for name, array in observation.items()
    }


def imitate(
    policy: LinkPointerPolicy,
    teacher: Policy,
    env: QKDVecEnv,
    *,
    rounds: int,
    steps: int,
    epochs: int = 3,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> list[float]:
    """Trains the actor to act as the teacher does, by dataset aggregation.

    The policy's own decisions increasingly make the states that the teacher then labels, so that
    it also learns what to do after its own mistakes (DAgger: Ross, Gordon and Bagnell, AISTATS
    2011).

    Args:
        policy: Policy to train.
        teacher: Whom to imitate.
        env: Training environments.
        rounds: Times that data are gathered and trained on.
        steps: Steps of all environments per round.
        epochs: Passes over all data per round.
        learning_rate: Adam's step size.
        seed: Seed of the mixture and of the order of the data.

    Returns:
        Share of decisions equal to the teacher's, per round.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(policy.optimizer.param_groups[0]["params"], lr=learning_rate)
    memory: list[tuple[dict[str, Tensor], Tensor]] = []
    agreement = []
    choices = action_choices(env.action_space)
    observation: Any = env.reset()
    bar = tqdm(range(rounds), desc="imitating", unit="round")
    for number in bar:
        for _ in range(steps):
            wanted, _ = teacher.predict(observation)
            label = torch.as_tensor(wanted, device=policy.device)
            memory.append((_tensors(observation, policy.device), label))
            own, _ = policy.predict(observation, deterministic=False)
            follows = rng.random(env.num_envs) < 1.0 / (1.0 + number)
            mixed = np.where(follows.reshape(-1, *[1] * (own.ndim - 1)), wanted, own)
            observation = env.step(mixed)[0]
        for _ in range(epochs):
            equal = []
            for i in rng.permutation(len(memory)):
                inputs, actions = memory[i]
                logits = policy.mlp_extractor.forward_actor(policy.extract_features(inputs))
                loss, share = _disagreement(logits, actions, choices)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                equal.append(share)
        agreement.append(float(np.mean(equal)))
        bar.set_postfix(agreement=f"{agreement[-1]:.3f}")
    return agreement


def _disagreement(logits: Tensor, actions: Tensor, choices: list[int]) -> tuple[Tensor, float]:
    """Cross entropy summed over the decisions, and the share of equal decisions."""
    columns = actions.view(len(actions), -1).unbind(1)
    parts = list(zip(logits.split(choices, dim=1), columns, strict=True))
    loss = torch.stack([cross_entropy(part, column) for part, column in parts]).sum()
    equal = torch.stack([part.argmax(1) == column for part, column in parts]).all(0)
    return loss, float(equal.float().mean())


def fit_critic(
    policy: LinkPointerPolicy,
    env: QKDVecEnv,
    gamma: float,
    *,
    steps: int,
    epochs: int = 6,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> float:
    """Fits the value head to the returns of the policy, so that the first updates of
    reinforcement learning do not undo the imitation.

    Args:
        policy: Policy whose value head is trained.
        env: Training environments; their rewards count as scaled there.
        gamma: Discount factor.
        steps: Steps of all environments; the last third only completes returns.
        epochs: Passes over the data.
        learning_rate: Adam's step size.
        seed: Seed of the order of the data.

    Returns:
        Share of the returns' variance that the fitted values explain.
    """
    observation: Any = env.reset()
    features, rewards = [], []
    for _ in range(steps):
        with torch.no_grad():
            features.append(policy.extract_features(_tensors(observation, policy.device)))
        actions, _ = policy.predict(observation, deterministic=False)
        observation, reward, _, _ = env.step(actions)
        rewards.append(torch.as_tensor(reward, device=policy.device))
    returns = torch.stack(rewards)
    for step in reversed(range(steps - 1)):
        returns[step] += gamma * returns[step + 1]
    fitted = 2 * steps // 3
    rng = np.random.default_rng(seed)
    heads: Any = policy.mlp_extractor
    optimizer = torch.optim.Adam(heads.value.parameters(), lr=learning_rate)
    for _ in range(epochs):
        losses = []
        for step in rng.permutation(fitted):
            error = mse_loss(heads.forward_critic(features[step])[:, 0], returns[step])
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            losses.append(float(error.detach()))
    return 1.0 - float(np.mean(losses)) / float(returns[:fitted].var())
