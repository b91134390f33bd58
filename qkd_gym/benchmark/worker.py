"""What one process does: a unit of work, which is a few episodes of one policy in one scenario."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from qkd_gym.baselines import bounds, make_policy
from qkd_gym.benchmark.agents import load_agent
from qkd_gym.benchmark.replay import record, write_episode
from qkd_gym.evaluation.episodes import evaluate
from qkd_gym.network.scenarios import resolve

BOUND = "clairvoyant-bound"
REFERENCE = "foresight-reference"


@dataclass(frozen=True)
class Unit:
    """Episodes that are played side by side and noted together.

    Attributes:
        scenario: Name of the scenario.
        label: Name of the policy in reports.
        policy: A baseline, a folder of a trained agent, `BOUND` or `REFERENCE`.
        env_id: Environment.
        split: Bank of networks.
        first: Seed of the first episode.
        count: Number of episodes.
        fingerprint: Changes with whatever the episodes depend on besides their seeds.
        episodes_folder: Where to write episode files; empty for nowhere.
    """

    scenario: str
    label: str
    policy: str
    env_id: str
    split: str
    first: int
    count: int
    fingerprint: str
    episodes_folder: str

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Tells the unit from all others of a run."""
        return self.scenario, self.label, self.first, self.count


class Outcome(NamedTuple):
    """Columns of numbers, one per episode, and the mean wall time per decision in seconds."""

    columns: dict[str, list[float]]
    decision_s: float


def start_worker() -> None:
    """Prepares a process: one thread, and an end when its parent ends."""
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=leave, daemon=True).start()


def warm_up(env_id: str) -> None:
    """Compiles what all processes need, once, so that they find it in the cache."""
    small: dict[str, Any] = {"n_sites": 6, "bank_size": 1, "episode_s": 600.0}
    for policy in ("random", "max-weight-matching"):
        if not env_id.startswith("qkd_gym/Routing") or policy == "random":
            evaluate(policy, env_id, 1, 0, **small)


def run_unit(unit: Unit) -> Outcome:
    """Plays the episodes of a unit."""
    if unit.policy == BOUND:
        return _bound(unit)
    settings: dict[str, Any] = {"scenario": unit.scenario, "split": unit.split}
    result = evaluate(
        _policy(unit, settings),
        unit.env_id,
        unit.count,
        unit.first,
        name=unit.label,
        record_actions=bool(unit.episodes_folder),
        **settings,
    )
    if unit.episodes_folder:
        folder = Path(unit.episodes_folder) / unit.scenario / unit.label
        for i, seed in enumerate(result.seeds.tolist()):
            episode = record(
                unit.label,
                unit.env_id,
                unit.scenario,
                settings,
                seed,
                result.actions[i],
                result.totals,
                i,
            )
            write_episode(folder / f"{seed}.json", episode)
    bits = ("offered_bits", "delivered_bits")
    columns = {"seed": result.seeds.tolist()}
    columns |= {name: result.totals[name].tolist() for name in bits}
    columns |= {name: values.tolist() for name, values in result.metrics.items()}
    return Outcome(columns, result.decision_s)


def _policy(unit: Unit, settings: dict[str, Any]) -> Any:
    if unit.policy == REFERENCE:
        return bounds.ForesightPolicy(_config(unit), unit.first)
    if os.sep in unit.policy or Path(unit.policy).is_dir():
        return load_agent(Path(unit.policy), unit.env_id, settings)
    return make_policy(unit.policy, scenario=unit.scenario)


def _bound(unit: Unit) -> Outcome:
    """The most that any policy could have delivered, by the clairvoyant linear program."""
    delivered = []
    for seed in range(unit.first, unit.first + unit.count):
        trace = bounds.episode_trace(_config(unit), seed)
        delivered.append(float(bounds.clairvoyant_bound(trace).delivered_bits))
    seeds: list[float] = list(range(unit.first, unit.first + unit.count))
    return Outcome({"seed": seeds, "delivered_bits": delivered}, float("nan"))


def _config(unit: Unit) -> Any:
    return resolve(unit.scenario, {"split": unit.split})
