"""What a training run logs, and when it saves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm

from qkd_gym.sb3.group import Group
from qkd_gym.sb3.split import SplitVecEnv
from qkd_gym.sb3.vec_env import QKDVecEnv


class DomainMetrics(BaseCallback):
    """Logs shares of delivered, blocked and overflown key and the mean QBER of every rollout.

    Args:
        group: The processes that train together; the shares are those of all.

    Attributes:
        history: One dictionary per rollout, with the number of steps so far.
    """

    def __init__(self, group: Group | None = None) -> None:
        super().__init__()
        self.group = group or Group()
        self.history: list[dict[str, float]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        env = self.training_env
        assert isinstance(env, (QKDVecEnv, SplitVecEnv))
        own = env.pop_totals()
        summed = self.group.sum_(torch.tensor(list(own.values()), dtype=torch.float64))
        totals = dict(zip(own, summed.tolist(), strict=True))
        offered, delivered = max(totals["offered_bits"], 1.0), totals["delivered_bits"]
        row = {
            "delivered_share": delivered / offered,
            "blocked_share": totals["blocked_bits"] / offered,
            "mean_qber": totals["qber_weighted_bits"] / max(delivered, 1.0),
            "overflow_share": totals["overflow_bits"] / max(totals["generated_bits"], 1.0),
        }
        for name, value in row.items():
            self.logger.record(f"qkd/{name}", value)
        self.history.append({"steps": float(self.num_timesteps), **row})


class Periodically(BaseCallback):
    """Calls a function at the first rollout's end after every so many steps.

    Args:
        every: Steps between calls.
        action: What to call, with the number of steps so far.
    """

    def __init__(self, every: int, action: Callable[[int], Any]) -> None:
        super().__init__()
        self.every, self.action = every, action
        self._next = every

    def _on_training_start(self) -> None:
        self._next = self.num_timesteps + self.every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        # The update of the last rollout is over, so the weights are those after it.
        if self.num_timesteps >= self._next:
            self._next += self.every
            self.action(self.num_timesteps)


class Progress(BaseCallback):
    """Shows how far a training is, by the steps of all environments.

    Args:
        timesteps: Steps at its end.
    """

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        self._bar: Any = None

    def _on_training_start(self) -> None:
        self._bar = tqdm(
            total=self.timesteps,
            initial=self.num_timesteps,
            desc="learning",
            unit=" steps",
            unit_scale=True,
        )

    def _on_step(self) -> bool:
        self._bar.update(self.num_timesteps - self._bar.n)
        return True

    def close(self) -> None:
        """Ends the line, also of a training that breaks off, after which other words may follow."""
        if self._bar is not None:
            self._bar.close()
