"""Rollouts as tensors that stay where the network is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_gym.sb3.extractor import LARGEST


class Samples(NamedTuple):
    """Steps of a rollout.

    Attributes:
        observations: Prepared observations by name, each (n, ...), but for the largest, which are
            those of all steps, (T * B, ...), and ``rows``, (n,), says which belong to these.
        actions: (n,) or (n, decisions).
        values: (n,) the critic's values when the steps were taken.
        log_probs: (n,) logarithm of the actions' probabilities then.
        advantages: (n,) generalised advantage estimates, as they are.
        returns: (n,) what the critic shall learn.
    """

    observations: dict[str, Tensor]
    actions: Tensor
    values: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor


class Rollouts:
    """T steps of B environments, one tensor (T, B, ...) per quantity, on the model's device.

    All memory is used again by every rollout, and by every minibatch: the system clears fresh
    memory when it is first written to, which costs more than the writing. It is allocated when the
    first step comes, which tells names, shapes and types. Rewards and ends of episodes, which the
    host knows, go to the device together at the end.

    Its constructor's signature is that of Stable-Baselines3's buffers.

    Args:
        buffer_size: T.
        observation_space: Not used.
        action_space: Not used.
        device: Where the tensors are.
        gae_lambda: Weight of later steps in the advantages.
        gamma: Discount factor.
        n_envs: B.

    Attributes:
        observations: Prepared observations by name, each (T, B, ...).
        actions: (T, B) or (T, B, decisions).
        values: (T, B).
        log_probs: (T, B).
        advantages: (T, B), after `finish`.
        returns: (T, B), after `finish`.
    """

    observations: dict[str, Tensor]
    actions: Tensor
    values: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor

    def __init__(
        self,
        buffer_size: int,
        observation_space: Any,
        action_space: Any,
        device: torch.device | str = "cpu",
        gae_lambda: float = 1.0,
        gamma: float = 0.99,
        n_envs: int = 1,
    ) -> None:
        self.shape = (buffer_size, n_envs)
        self.device, self.gae_lambda, self.gamma = torch.device(device), gae_lambda, gamma
        self.observations = {}
        self._rewards = np.zeros(self.shape, np.float32)
        self._ended = np.zeros(self.shape, np.float32)
        self._last_values: Tensor
        self._selected: dict[str, Tensor] = {}
        self._places: dict[tuple[int, int, int], dict[str, Tensor]] = {}

    def __len__(self) -> int:
        """Number of steps of all environments, T * B."""
        return self.shape[0] * self.shape[1]

    def _allocate(self, observations: Mapping[str, Tensor], actions: Tensor) -> None:
        def like(tensor: Tensor) -> Tensor:
            return tensor.new_zeros(*self.shape, *tensor.shape[1:])

        self.observations = {name: like(tensor) for name, tensor in observations.items()}
        self.actions = like(actions)
        single = torch.zeros((), device=self.device)
        self.values, self.log_probs, self.advantages, self.returns, self._beyond = (
            single.new_zeros(self.shape) for _ in range(5)
        )

    def places(self, step: int, members: slice) -> dict[str, Tensor]:
        """Where observations of a step belong, (n, ...) by name; empty before the first step.

        What has been written there by the time of `add_decisions` is not copied.
        """
        key = (step, members.start, members.stop)
        if self.observations and key not in self._places:
            # Made once: it takes as long as a tenth of a decision.
            self._places[key] = {
                n: tensor[step, members] for n, tensor in self.observations.items()
            }
        return self._places.get(key, {})

    def add_decisions(
        self,
        step: int,
        members: slice,
        observations: Mapping[str, Tensor],
        actions: Tensor,
        values: Tensor,
        log_probs: Tensor,
    ) -> None:
        """Keeps what some members have seen and decided in a step.

        Args:
            step: Which of the T steps.
            members: Which of the B environments, n of them.
            observations: Prepared observations, each (n, ...).
            actions: (n,) or (n, decisions).
            values: (n, 1).
            log_probs: (n,).
        """
        if not self.observations:
            self._allocate(observations, actions)
        for name, place in self.places(step, members).items():
            if observations[name].data_ptr() != place.data_ptr():
                place.copy_(observations[name])
        self.actions[step, members].copy_(actions)
        self.values[step, members].copy_(values[:, 0])
        self.log_probs[step, members].copy_(log_probs)

    def add_results(
        self, step: int, members: slice, rewards: NDArray[Any], ended: NDArray[Any]
    ) -> None:
        """Keeps what came of a step: rewards and whether the episode is over, both (n,)."""
        self._rewards[step, members] = rewards
        self._ended[step, members] = ended

    def add_values_beyond(self, step: int, members: Tensor, values: Tensor) -> None:
        """Keeps the values of last observations of episodes that were cut off in a step.

        Args:
            step: Which of the T steps.
            members: (n,) int64 on the device, which of the B environments.
            values: (n,) what would have followed, by the critic.
        """
        self._beyond[step].index_copy_(0, members, values)

    def finish(self, last_values: Tensor) -> None:
        """Computes advantages and returns.

        Args:
            last_values: (B,) values of the observations after the last step.
        """
        gamma = self.gamma
        rewards = torch.as_tensor(self._rewards).to(self.device) + gamma * self._beyond
        self._beyond.zero_()
        goes_on = 1.0 - torch.as_tensor(self._ended).to(self.device)
        following = torch.cat([self.values[1:], last_values[None]])
        surprises = rewards + gamma * following * goes_on - self.values
        decay = gamma * self.gae_lambda * goes_on
        advantage = torch.zeros_like(last_values)
        for step in reversed(range(self.shape[0])):
            advantage = torch.addcmul(surprises[step], decay[step], advantage)
            self.advantages[step] = advantage
        torch.add(self.advantages, self.values, out=self.returns)

    def select(self, rows: Tensor) -> Samples:
        """Steps by their number, t * B + b; the next call writes into the same memory.

        Args:
            rows: (n,) int64 on the device.
        """
        prepared = LARGEST[0] in self.observations
        chosen = {
            name: tensor.flatten(0, 1)
            if prepared and name in LARGEST  # read where it lies
            else self._gather(name, tensor, rows)
            for name, tensor in self.observations.items()
        }
        if prepared:
            chosen["rows"] = rows
        others = (self.actions, self.values, self.log_probs, self.advantages, self.returns)
        return Samples(chosen, *(each.flatten(0, 1).index_select(0, rows) for each in others))

    def _gather(self, name: str, stored: Tensor, rows: Tensor) -> Tensor:
        if name not in self._selected or len(self._selected[name]) < len(rows):
            self._selected[name] = stored.new_zeros(len(rows), *stored.shape[2:])
        chosen = self._selected[name][: len(rows)]
        return torch.index_select(stored.flatten(0, 1), 0, rows, out=chosen)
