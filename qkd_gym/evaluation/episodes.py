"""A policy on seeded episodes of the native vector environment."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium as gym
import networkx as nx
import numpy as np
from numpy.typing import NDArray

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.baselines import Policy, RulePolicy, make_policy
from qkd_gym.baselines.registry import in_environment, is_baseline, task_of_rule
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.metrics import RATIOS, metrics_of
from qkd_gym.envs.tasks import LINK_ACTIVATION, get_task
from qkd_gym.envs.totals import Totals
from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.evaluation.result import EvaluationResult
from qkd_gym.topology import Topology, load

# First seeds of episodes that no training plays: agents are chosen on the former, with networks of
# the validation bank, and reported on the latter, with those of the test bank.
VALIDATION_SEED = 500_000
HELD_OUT_SEED = 1_000_000

_BATCH = 64
_MOST_EPISODES = 1_000_000
_LAST_SEED = 2**63 - 1  # results hold seeds as int64


def evaluate(
    policy: Policy | str,
    env_id: str | None = None,
    episodes: int = 100,
    seed: int = 0,
    *,
    name: str | None = None,
    on_progress: Callable[[int], None] | None = None,
    record_actions: bool = False,
    **env_kwargs: Any,
) -> EvaluationResult:
    """Plays seeded episodes and measures what was delivered.

    Episode ``i`` has seed ``seed + i`` and nothing random in it depends on the actions, so results
    of two policies with equal arguments are paired. The policy decides deterministically; if its
    ``predict`` takes ``action_masks``, as sb3-contrib's do, it gets them. One that plans on models
    has a method ``watch``, which gets the vector environment before the first episode.

    Args:
        policy: A policy, or the name of a baseline, which then has the parameters that ship for the
            scenario, see `make_policy`; a scenario without a name has none.
        env_id: One of the package's environments; None for the policy's attribute ``env_id``, which
            trained agents have, or else for `LinkActivation`.
        episodes: Number of episodes.
        seed: Seed of the first.
        name: Name of the policy in reports; by default the baseline's or the class's name.
        on_progress: Called after each batch of episodes with their number so far.
        record_actions: Whether the result holds every action, so that the episodes can be
            replayed.
        **env_kwargs: Arguments of the environment; ``split`` is ``"test"`` unless given.

    Raises:
        InvalidInput: On an unknown policy or environment, a number of episodes or a seed outside
            its range, or a bad argument of the environment.
    """
    require_integer("episodes", episodes, 1, _MOST_EPISODES)
    require_integer("seed", seed, 0, _LAST_SEED - int(episodes))
    episodes, seed = int(episodes), int(seed)
    if env_id is None:
        env_id = _env_id_of(policy)
    task = get_task(env_id)
    if "autoreset_mode" in env_kwargs:
        mode = shown(env_kwargs["autoreset_mode"])
        raise InvalidInput(f"autoreset_mode is {mode}, but must be left out: one is fixed here.")
    settings = {"split": "test", **env_kwargs}
    seeds = np.arange(seed, seed + episodes)
    env = cast("QKDVectorEnv", gym.make_vec(env_id, num_envs=min(episodes, _BATCH), **settings))
    finished: list[Totals] = []
    actions: list[NDArray[np.int64]] = []
    decision_s = []
    try:
        if isinstance(policy, str):
            scenario = settings.get("scenario", task.default_scenario)
            known = scenario if isinstance(scenario, str) else None
            policy = make_policy(in_environment(policy, task), scenario=known)
        if not callable(getattr(policy, "predict", None)):
            raise InvalidInput(f"policy is {shown(policy)}, but must have a method predict.")
        label = name or getattr(policy, "name", None) or type(policy).__name__
        policy = _fitted(policy, env)
        for first in range(0, episodes, env.num_envs):
            # The last batch is filled up with episodes that nobody counts.
            batch: list[int | None] = [seed + first + i for i in range(env.num_envs)]
            played = play(env, policy, batch, record_actions=record_actions)
            kept = min(env.num_envs, episodes - first)
            finished.append({key: values[:kept] for key, values in played.totals.items()})
            actions.extend(played.actions[:kept])
            decision_s.append(played.decision_s)
            if on_progress is not None:
                on_progress(first + kept)
    finally:
        env.close()
    totals = {key: np.concatenate([part[key] for part in finished]) for key in finished[0]}
    plain = {key: _plain(value) for key, value in settings.items()}
    return EvaluationResult(
        label,
        env_id,
        plain,
        seeds,
        metrics_of(totals),
        float(np.mean(decision_s)),
        totals=totals,
        actions=actions,
        is_baseline=isinstance(policy, RulePolicy) and is_baseline(policy.name),
    )


def _plain(value: Any) -> Any:
    """An argument of an environment as plain values, by which results are told apart."""
    if isinstance(value, (Topology, nx.Graph)):
        return load(value).to_mapping()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value) if isinstance(value, Path) else value


def _fitted(policy: Policy, env: QKDVectorEnv) -> Policy:
    """The policy, or a copy of it for the sizes of the environment if it was made for others.

    Learners of Stable-Baselines3 have such a policy as their attribute ``policy``.
    """
    own: Any = getattr(policy, "policy", policy)
    if not callable(getattr(own, "fitted_to", None)):
        return policy
    space: Any = env.single_observation_space
    known = own.observation_space.spaces
    if all(known.get(field) == each for field, each in space.items()):
        return policy
    fitted: Policy = own.fitted_to(space, env.single_action_space)
    return fitted


def _env_id_of(policy: Policy | str) -> str:
    """The environment that a policy is for."""
    if isinstance(policy, str) and ":" in policy:
        return task_of_rule(policy).env_id
    return getattr(policy, "env_id", None) or LINK_ACTIVATION.env_id


class Played(NamedTuple):
    """Episodes side by side.

    Attributes:
        totals: What each episode adds up to, see `qkd_gym.envs.totals.totals_of`, (B,).
        steps: Number of steps of each episode, shape (B,).
        actions: Actions of each episode, if they were recorded.
        decision_s: Mean wall time of a decision in seconds.
    """

    totals: Totals
    steps: NDArray[np.int64]
    actions: list[NDArray[np.int64]]
    decision_s: float


def play(
    env: QKDVectorEnv,
    policy: Policy,
    seeds: list[int | None],
    *,
    record_actions: bool = False,
) -> Played:
    """Plays one episode in every member of a vector environment.

    Args:
        env: The environment; observations need not be copies.
        policy: Decides for all members at once.
        seeds: Seed of each member's episode.
        record_actions: Whether to return the actions.
    """
    if callable(getattr(policy, "watch", None)):
        policy.watch(env)  # type: ignore[attr-defined]
    wants_masks = "action_masks" in inspect.signature(policy.predict).parameters
    env.core.watches_sites = True
    obs, _ = env.reset(seed=seeds)
    running, lengths = np.ones(env.num_envs, dtype=bool), np.zeros(env.num_envs, dtype=np.int64)
    totals: Totals = {}
    starting = np.ones(env.num_envs, dtype=bool)
    history: list[NDArray[np.int64]] = []
    state, decisions, spent_s = None, 0, 0.0
    while running.any():
        masks: dict[str, Any] = {}
        if wants_masks:
            masks["action_masks"] = obs["action_mask"].astype(bool)
        start = time.perf_counter()
        actions, state = policy.predict(
            obs, state=state, episode_start=starting, deterministic=True, **masks
        )
        spent_s += time.perf_counter() - start
        decisions += env.num_envs
        if record_actions:
            history.append(np.array(actions, dtype=np.int64))
        obs, _, terminated, truncated, infos = env.step(actions)
        starting = terminated | truncated
        lengths += running
        ends = running & starting
        if ends.any():
            for key, values in infos["final_info"]["episode_totals"].items():
                if key not in RATIOS:
                    totals.setdefault(key, np.zeros(env.num_envs))[ends] = values[ends]
            running &= ~ends
    recorded = [np.stack(history)[:length, b] for b, length in enumerate(lengths) if history]
    return Played(totals, lengths, recorded, spent_s / decisions)
