"""What one process does: a unit of work, which is one episode of one policy in one scenario."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium as gym

from qkd_gym import bounds
from qkd_gym.benchmark.policies import file_name, is_agent, load
from qkd_gym.benchmark.replay import record, write_episode
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.metrics import metrics_of
from qkd_gym.envs.tasks import get_task
from qkd_gym.evaluation.episodes import evaluate, play
from qkd_gym.network.scenarios import resolve

BOUND = "clairvoyant-bound"
REFERENCE = "foresight-reference"


@dataclass(frozen=True)
class Unit:
    """An episode, which is noted when it is over.

    Attributes:
        scenario: Name of the scenario.
        label: Name of the policy in reports.
        policy: As `qkd_gym.benchmark.policies.Row` has it, `BOUND` or `REFERENCE`.
        env_id: Environment that the policy plays.
        split: Bank of networks.
        seed: Seed of the episode.
        fingerprint: Changes with whatever the episode depends on besides its seed.
        episodes_folder: Where to write the episode's file; empty for nowhere.
    """

    scenario: str
    label: str
    policy: str
    env_id: str
    split: str
    seed: int
    fingerprint: str
    episodes_folder: str

    @property
    def key(self) -> tuple[str, str, int]:
        """Tells the unit from all others of a run."""
        return self.scenario, self.label, self.seed

    @property
    def episode_file(self) -> Path | None:
        """Where to write the episode; None for the bound, which has none, or if nobody asks."""
        if not self.episodes_folder:
            return None
        folder = Path(self.episodes_folder) / self.scenario / file_name(self.label)
        return folder / f"{self.seed}.json"


class Outcome(NamedTuple):
    """The numbers of an episode, and the mean wall time per decision in seconds."""

    numbers: dict[str, float]
    decision_s: float


def warm_up(env_id: str) -> None:
    """Compiles what all processes need, once, so that they find it in the cache."""
    small: dict[str, Any] = {"n_sites": 6, "bank_size": 1, "episode_s": 600.0}
    evaluate("random", env_id, 1, 0, **small)
    if get_task(env_id).decides_links:
        evaluate("max-weight-matching", env_id, 1, 0, **small)


def run_unit(unit: Unit) -> Outcome:
    """Plays the episode of a unit."""
    if unit.policy == BOUND:
        # The most that any policy could have delivered, by the clairvoyant linear program.
        config = _config(unit)
        several = get_task(unit.env_id).decides_releases
        switches = config.switches_per_interval if several else 1
        trace = bounds.episode_trace(config, unit.seed)
        bound = bounds.clairvoyant_bound(trace, switches_per_interval=switches)
        delivered = float(bound.delivered_bits)
        return Outcome({"seed": unit.seed, "delivered_bits": delivered}, float("nan"))
    env = _environment(unit.env_id, unit.scenario, unit.split)
    path = unit.episode_file
    played = play(env, policy_of(unit), [unit.seed], record_actions=path is not None)
    totals = played.totals
    if path is not None:
        where = unit.env_id, unit.scenario, env.config, unit.seed
        write_episode(path, record(unit.label, *where, played.actions[0], totals, 0))
    columns = {key: totals[key] for key in ("offered_bits", "delivered_bits")} | metrics_of(totals)
    numbers = {key: values.item() for key, values in columns.items()}
    return Outcome({"seed": unit.seed, **numbers}, played.decision_s)


@lru_cache(maxsize=1)  # units come scenario by scenario and policy by policy
def _environment(env_id: str, scenario: str, split: str) -> QKDVectorEnv:
    return cast("QKDVectorEnv", gym.make_vec(env_id, 1, scenario=scenario, split=split))


def policy_of(unit: Unit) -> Any:
    """The policy that plays a unit.

    Raises:
        InvalidInput: If it is an agent that cannot be loaded or plays another environment.
    """
    if unit.policy == REFERENCE:
        return bounds.ForesightPolicy(_config(unit), unit.seed)
    if is_agent(unit.policy):
        return _agent(unit.policy, unit.env_id, unit.scenario, unit.split, unit.fingerprint)
    # With a seed of the unit's, else all episodes would see the same draws.
    return load(unit.policy, unit.env_id, {"scenario": unit.scenario}, unit.seed)


@lru_cache(maxsize=1)
def _agent(policy: str, env_id: str, scenario: str, split: str, fingerprint: str) -> Any:
    """An agent; a fingerprint that differs stands for other weights in the same folder."""
    return load(policy, env_id, {"scenario": scenario, "split": split})


def _config(unit: Unit) -> Any:
    return resolve(unit.scenario, {"split": unit.split})
