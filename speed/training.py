"""Speed of training, by form and by the size of the network."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from qkd_gym.network.bank import shared_bank
from qkd_gym.network.scenarios import resolve
from speed import parts
from speed.clock import cpu_s, take_turns
from speed.environments import of_size
from speed.forms import FORMS, RECIPE, SCENARIO, STOCK, Form, Learner, of_recipe

TURNS = 3
# CPU seconds that a form gets per turn, but at least a rollout and its update.
TURN_S = 3.0
GROWTH_ROLLOUTS = 2
# Fewer environments than the recipe has: rollouts of the largest network then fit the memory of
# small machines.
GROWTH_ENVS = 64


class Trial:
    """A form that is measured: warm, and for as many rollouts as a turn has time for.

    Args:
        form: The form.
        scenario: Scenario of its networks.
    """

    def __init__(self, form: Form, scenario: str) -> None:
        config = resolve(scenario, {})
        for index in range(config.bank_size):  # or some turns would build networks, others not
            shared_bank(config).ensure(index)
        self.form = form
        self.learner = form.make(0, scenario)
        rollout = self.learner.rollout
        self.learn(rollout)  # compiles, and touches all memory
        spent_s, _ = self.learn(rollout)
        self.steps = rollout * max(1, round(TURN_S / spent_s))

    def learn(self, steps: int) -> tuple[float, float]:
        """CPU seconds and seconds of training."""
        torch.set_num_threads(self.form.threads)
        start_cpu, start = cpu_s(), time.perf_counter()
        self.learner.learn(steps)
        return cpu_s() - start_cpu, time.perf_counter() - start

    def turn(self) -> tuple[float, float]:
        """Steps per CPU-second and per second."""
        spent_cpu_s, wall_s = self.learn(self.steps)
        return self.steps / spent_cpu_s, self.steps / wall_s

    def shares(self) -> dict[str, float]:
        """Shares of the parts in the CPU time."""
        torch.set_num_threads(self.form.threads)
        return parts.shares(self.learner.learn, self.steps)


def compare(forms: Mapping[str, Form] = FORMS, scenario: str = SCENARIO) -> dict[str, Any]:
    """Figures of each form, by its key.

    Args:
        forms: The forms, with `STOCK` among them.
        scenario: Scenario of the networks.

    Returns:
        Per form ``title``, ``steps_per_cpu_s`` and ``steps_per_s`` (medians of the turns),
        ``times_stock`` (the median of the turns' ratios in steps per CPU-second), and ``shares``
        and ``groups`` of the CPU time, see `speed.parts`.
    """
    before = torch.get_num_threads()
    with tqdm(total=len(forms) * (TURNS + 2), desc="training", unit="trial") as bar:

        def told(name: str, work: Callable[[], Any]) -> Any:
            bar.set_postfix_str(name)
            done = work()
            bar.update()
            return done

        trials = {name: told(name, partial(Trial, form, scenario)) for name, form in forms.items()}
        rates = {
            name: np.array(taken)
            for name, taken in take_turns(
                {name: partial(told, name, trial.turn) for name, trial in trials.items()}, TURNS
            ).items()
        }
        shares = {name: told(name, trial.shares) for name, trial in trials.items()}
    torch.set_num_threads(before)
    return {
        name: {
            "title": form.title,
            "steps_per_cpu_s": float(np.median(rates[name][:, 0])),
            "steps_per_s": float(np.median(rates[name][:, 1])),
            "times_stock": float(np.median(rates[name][:, 0] / rates[STOCK][:, 0])),
            "shares": shares[name],
            "groups": parts.grouped(shares[name]),
        }
        for name, form in forms.items()
    }


def growth(networks: Sequence[Mapping[str, float]], topology: str) -> list[dict[str, float]]:
    """Cost of a step of the recipe's training against the size of the network.

    Args:
        networks: What `speed.environments.scaling` found, a row per network.
        topology: The topology that it was asked for.
    """
    minibatch = RECIPE.ppo["batch_size"] * GROWTH_ENVS // RECIPE.num_envs
    short = dataclasses.replace(
        RECIPE, num_envs=GROWTH_ENVS, ppo={**RECIPE.ppo, "batch_size": minibatch}
    )
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    for network in tqdm(networks, desc="growth of training", unit="network"):
        learner = of_recipe(short, 0, of_size(int(network["sites"]), topology))
        us_per_step = 1e6 * _fastest_rollout_s(learner) / learner.rollout
        rows.append(
            {
                "sites": network["sites"],
                "links": network["links"],
                "steps_per_cpu_s": 1e6 / us_per_step,
                "us_per_step": us_per_step,
                "us_per_link_step": us_per_step / network["links"],
            }
        )
    torch.set_num_threads(before)
    return rows


def _fastest_rollout_s(learner: Learner) -> float:
    learner.learn(learner.rollout)
    seconds = []
    for _ in range(GROWTH_ROLLOUTS):
        start = cpu_s()
        learner.learn(learner.rollout)
        seconds.append(cpu_s() - start)
    return min(seconds)
