"""Learners of Stable-Baselines3 whose logs show what episodes add up to."""

from __future__ import annotations

from typing import Any

import numpy as np

from qkd_gym.envs.metrics import METRICS


class LogsTotals:
    """Logs ``rollout/ep_delivered_share_mean`` and the other metrics beside the mean return.

    Each is the mean over the last episodes, by default a hundred, in which it exists. It comes
    before the class of a learner: ``class MyPPO(LogsTotals, PPO): pass``. Episodes must keep
    their ``episode_totals``: those of `qkd_gym.sb3.QKDVecEnv` do, and those of single environments
    in a ``Monitor`` with ``info_keywords=("episode_totals",)``.
    """

    def dump_logs(self, *args: Any, **kwargs: Any) -> None:
        """Writes the log; see the learner's own class."""
        learner: Any = self
        kept = [each.get("episode_totals") for each in learner.ep_info_buffer]
        ended = [totals for totals in kept if totals is not None]
        for name in METRICS if ended else ():
            values = np.array([totals[name] for totals in ended])
            if np.isfinite(values).any():
                learner.logger.record(f"rollout/ep_{name}_mean", float(np.nanmean(values)))
        super().dump_logs(*args, **kwargs)  # type: ignore[misc]
