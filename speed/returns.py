"""Delivered share in validation after equal CPU time: ``python -m speed.returns --cpu-s 120``.

The recipe's forms and stock MaskablePPO are given as many steps as they make in that time.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from tqdm import tqdm

from qkd_gym.baselines.policy import Observation
from qkd_gym.commands import exit_status
from qkd_gym.errors import require_integer, require_number
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import VALIDATION_SEED
from speed.forms import ENV_ID, FORMS, SCENARIO, STOCK
from speed.training import Trial

NAMES = ("recipe", "from-nothing", STOCK)
VALIDATION_EPISODES = 64


class Masked:
    """A policy of sb3-contrib with the observations' masks."""

    def __init__(self, policy: MaskableActorCriticPolicy) -> None:
        self._policy = policy

    def predict(
        self,
        obs: Observation,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """See `qkd_gym.baselines.policy.Policy`."""
        return self._policy.predict(
            dict(obs), state, episode_start, deterministic, action_masks=obs["action_mask"]
        )


def delivered_share(name: str, seed: int, steps: int) -> float:
    """Delivered share of the validation episodes after a training of at least so many steps."""
    learner = FORMS[name].make(seed, SCENARIO)
    learner.learn(-(-steps // learner.rollout) * learner.rollout)
    settings: dict[str, Any] = {"scenario": SCENARIO, "split": "validation"}
    policy = Masked(learner.policy)
    return evaluate(policy, ENV_ID, VALIDATION_EPISODES, VALIDATION_SEED, **settings).mean()


def main() -> None:
    """Trains each form with some seeds and prints the shares."""
    parser = argparse.ArgumentParser(prog="python -m speed.returns", description=__doc__)
    parser.add_argument("--cpu-s", type=float, default=120.0, help="CPU seconds per training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each form")
    options = parser.parse_args()
    with exit_status("Nothing was written; start again."):
        require_number("cpu_s", options.cpu_s, 0.0, low_open=True)
        require_integer("seeds", options.seeds, 1)
        minutes = len(NAMES) * options.seeds * options.cpu_s / 60
        torch.set_num_threads(1)
        print(f"Trains for {minutes:.0f} CPU minutes in all.", flush=True)
        steps = {n: int(options.cpu_s * Trial(FORMS[n], SCENARIO).turn()[0]) for n in NAMES}
        shares: dict[str, list[float]] = {name: [] for name in NAMES}
        for seed, name in tqdm([(s, n) for s in range(options.seeds) for n in NAMES]):
            shares[name].append(delivered_share(name, seed, steps[name]))
        for name, found in shares.items():
            each = ", ".join(f"{share:.4f}" for share in found)
            print(f"{name:16s} {steps[name]:9,d} steps: {np.mean(found):.4f} ({each})")


if __name__ == "__main__":
    main()
