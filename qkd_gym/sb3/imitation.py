"""Imitation of a classical policy before reinforcement learning starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm import tqdm

from qkd_gym.baselines.policy import Policy
from qkd_gym.sb3.policy import LinkPointerPolicy
from qkd_gym.sb3.split import SplitVecEnv
from qkd_gym.sb3.vec_env import QKDVecEnv

Environments = QKDVecEnv | SplitVecEnv


def imitate(
    policy: LinkPointerPolicy,
    teacher: Policy,
    env: Environments,
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
    observation: Any = env.reset()
    bar = tqdm(range(rounds), desc="imitating", unit="round")
    for number in bar:
        for _ in range(steps):
            wanted, _ = teacher.predict(observation)
            prepared = policy.prepare(observation)
            memory.append((prepared, torch.as_tensor(wanted).to(policy.device)))
            with torch.no_grad():
                own = policy(prepared)[0].cpu().numpy()
            follows = rng.random(env.num_envs) < 1.0 / (1.0 + number)
            mixed = np.where(follows.reshape(-1, *[1] * (own.ndim - 1)), wanted, own)
            observation = env.step(mixed)[0]
        for _ in range(epochs):
            equal = []
            for i in rng.permutation(len(memory)):
                prepared, actions = memory[i]
                distribution = policy.get_distribution(prepared)
                loss = -distribution.log_prob(actions).mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                with torch.no_grad():
                    same = distribution.mode() == actions
                    equal.append(same.view(len(same), -1).all(1).float().mean())
        agreement.append(float(torch.stack(equal).mean()))
        bar.set_postfix(agreement=f"{agreement[-1]:.3f}")
    return agreement


def fit_critic(
    policy: LinkPointerPolicy,
    env: Environments,
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
    fitted = 2 * steps // 3
    seen, rewards = [], []
    for step in range(steps):
        prepared = policy.prepare(observation)
        if step < fitted:
            seen.append(prepared)
        with torch.no_grad():
            actions = policy(prepared)[0].cpu().numpy()
        observation, reward, _, _ = env.step(actions)
        rewards.append(torch.as_tensor(reward).to(policy.device))
    returns = torch.stack(rewards)
    for step in reversed(range(steps - 1)):
        returns[step] += gamma * returns[step + 1]
    rng = np.random.default_rng(seed)
    value: Any = policy.mlp_extractor.value
    optimizer = torch.optim.Adam(value.parameters(), lr=learning_rate)
    for _ in range(epochs):
        losses = []
        for step in rng.permutation(fitted):
            error = mse_loss(policy.predict_values(seen[step])[:, 0], returns[step])
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            losses.append(error.detach())
    return 1.0 - float(torch.stack(losses).mean()) / float(returns[:fitted].var())
