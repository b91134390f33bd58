"""The forms of training that are compared, all on LinkActivation and on the same environments.

Forms without the package's policy have Stable-Baselines3's defaults (10 epochs of minibatches of
64), but for as many environments as the recipe has, which makes them faster. Their rollouts are
short, which changes neither the work per step nor how it is done, and spares memory.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from qkd_gym.sb3 import QKDVecEnv
from qkd_gym.sb3.recipe import Recipe, load_recipe
from speed import cleanrl_style
from speed.naive import OneByOne

ENV_ID = "qkd_gym/LinkActivation-v0"
RECIPE = load_recipe(Path(__file__).parents[1] / "agents" / "LinkActivation.toml", "pointer")
SCENARIO = "metro"
# Of rewards without a control policy, whose variance is larger.
REWARD_SCALE = 0.05
# Steps of all environments in a rollout of forms that are not the package's.
STOCK_ROLLOUT, ONE_BY_ONE_ROLLOUT = 2048, 1024


@dataclass(frozen=True)
class Learner:
    """What learns.

    Attributes:
        learn: Trains for a number of steps, a multiple of ``rollout``.
        rollout: Steps of all environments between two updates.
        policy: The policy, for Stable-Baselines3's forms; None otherwise.
    """

    learn: Callable[[int], object]
    rollout: int
    policy: Any = None


@dataclass(frozen=True)
class Form:
    """A form of training.

    Attributes:
        title: What the table calls it.
        make: Makes an untrained learner of a seed and a scenario.
        threads: Threads that torch computes on.
    """

    title: str
    make: Callable[[int, str], Learner]
    threads: int = 1


def of_sb3(model: OnPolicyAlgorithm) -> Learner:
    learn = partial(model.learn, reset_num_timesteps=False)
    return Learner(learn, model.n_steps * model.n_envs, model.policy)


def of_recipe(recipe: Recipe, seed: int, network: dict[str, Any]) -> Learner:
    """A recipe as ``train.py`` has it learn by reinforcement, on one core."""
    env = recipe.environment(ENV_ID, network)
    env.seed(seed)
    return of_sb3(recipe.model(env, seed, None))


def recipe(seed: int, scenario: str) -> Learner:
    return of_recipe(RECIPE, seed, {"scenario": scenario})


def from_nothing(seed: int, scenario: str) -> Learner:
    """The recipe without the baseline that it starts from and without a control policy."""
    scratch = dataclasses.replace(RECIPE, adviser="", control_policy="", reward_scale=REWARD_SCALE)
    return of_recipe(scratch, seed, {"scenario": scenario})


def stock(
    algorithm: Callable[..., OnPolicyAlgorithm],
    rollout: int,
    policy: dict[str, Any],
    seed: int,
    scenario: str,
) -> Learner:
    """An algorithm with its defaults; PPO has no masks, and what is illegal counts as to hold."""
    env = QKDVecEnv(
        ENV_ID,
        RECIPE.num_envs,
        reward_scale=REWARD_SCALE,
        subtract_offered=True,
        scenario=scenario,
    )
    env.seed(seed)
    model = algorithm(
        "MultiInputPolicy",
        env,
        n_steps=rollout // RECIPE.num_envs,
        seed=seed,
        device="cpu",
        policy_kwargs=policy,
    )
    return of_sb3(model)


def cleanrl(seed: int, scenario: str) -> Learner:
    """A loop without Stable-Baselines3 around the package's policy, with the recipe's settings."""
    args = cleanrl_style.Args(
        seed=seed,
        scenario=scenario,
        total_timesteps=10**12,
        num_envs=RECIPE.num_envs,
        num_steps=RECIPE.ppo["n_steps"],
        num_minibatches=RECIPE.num_envs * RECIPE.ppo["n_steps"] // RECIPE.ppo["batch_size"],
        update_epochs=RECIPE.ppo["n_epochs"],
    )
    rollout = args.num_envs * args.num_steps
    training = cleanrl_style.iterations(args)

    def learn(steps: int) -> None:
        for _ in range(steps // rollout):
            next(training)

    return Learner(learn, rollout)


STOCK = "stock-maskable"
ONE_BY_ONE = {"features_extractor_class": OneByOne}
FORMS = {
    "recipe": Form("the recipe, as `train.py` runs it", recipe),
    "from-nothing": Form("the same without adviser and control policy", from_nothing),
    "cleanrl": Form("loop in CleanRL's style, `LinkPointerPolicy`", cleanrl),
    "stock-ppo": Form(
        "stock PPO, `MultiInputPolicy`, no masks", partial(stock, PPO, STOCK_ROLLOUT, {})
    ),
    STOCK: Form(
        "stock MaskablePPO, `MultiInputPolicy`", partial(stock, MaskablePPO, STOCK_ROLLOUT, {})
    ),
    "stock-threads": Form(
        "the same, torch on all cores",
        partial(stock, MaskablePPO, STOCK_ROLLOUT, {}),
        len(os.sched_getaffinity(0)),
    ),
    "naive-ppo": Form(
        "PPO, one-by-one torch-geometric extractor, no masks",
        partial(stock, PPO, ONE_BY_ONE_ROLLOUT, ONE_BY_ONE),
    ),
    "naive-maskable": Form(
        "MaskablePPO, one-by-one torch-geometric extractor",
        partial(stock, MaskablePPO, ONE_BY_ONE_ROLLOUT, ONE_BY_ONE),
    ),
}
