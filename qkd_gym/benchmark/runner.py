"""Runs a suite: units of work over processes, a journal that survives, one file of results."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

import qkd_gym
from qkd_gym.baselines import make_policy
from qkd_gym.baselines.own import is_own, own_digest
from qkd_gym.baselines.registry import in_environment
from qkd_gym.benchmark.policies import agent_digest, is_agent, rows_of
from qkd_gym.benchmark.replay import finite
from qkd_gym.benchmark.suites import get_split, get_suite
from qkd_gym.benchmark.summary import summarise
from qkd_gym.benchmark.worker import (
    BOUND,
    REFERENCE,
    Outcome,
    Unit,
    policy_of,
    run_unit,
    warm_up,
)
from qkd_gym.envs.metrics import METRICS
from qkd_gym.envs.tasks import get_task
from qkd_gym.errors import InvalidInput, require_choice, require_integer, require_number, shown
from qkd_gym.files import read_journal, require_writable_folder, write_bytes
from qkd_gym.network.scenarios import as_mapping, resolve
from qkd_gym.workers import WorkerCount, start_workers, worker_count

FORMAT = 5
HEURISTICS = "heuristics"  # stands for all fast baselines of a suite

# Wide enough for whatever an episode adds up, and narrow enough to be added up itself.
_Number = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)] | None


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A unit that has been played, as the journal keeps it; None stands for NaN."""

    key: tuple[str, str, int]
    fingerprint: str
    numbers: dict[str, _Number]
    decision_s: _Number


def run_benchmark(
    suite: str,
    out: Path,
    policies: Sequence[str] = (),
    *,
    episodes: int = 100,
    split: str = "held-out",
    scenarios: Sequence[str] = (),
    bounds: int = 0,
    record: bool = False,
    workers: WorkerCount = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Plays every policy in every scenario of a suite, on the same episodes.

    Every finished episode is in ``out/journal.jsonl`` at once; the same call goes on from there,
    and ends with the same ``out/results.json``, byte for byte, as a run that nobody interrupted.
    Wall times are not reproducible and go to ``out/timings.json``.

    Args:
        suite: Name of the suite.
        out: Folder of the results.
        policies: See `qkd_gym.benchmark.policies`; `HEURISTICS` stands for all fast baselines of
            the suite. By default these and the further rows of the suite.
            Baselines take their tuned parameters, and `random` draws by the episode's seed.
        episodes: Episodes per scenario.
        split: ``"training"``, ``"validation"`` or ``"held-out"``.
        scenarios: Only these scenarios of the suite; by default all.
        bounds: Number of episodes per scenario for which to solve the clairvoyant bound and to
            play the foresight reference; takes minutes each.
        record: Whether to write an episode file of every episode.
        workers: Processes that share the episodes, see `qkd_gym.workers.worker_count`.
        on_progress: Called with the finished and all episodes.

    Returns:
        The content of ``results.json``.

    Raises:
        InvalidInput: On unknown names, numbers outside their ranges, or a folder of another run.
    """
    facts = get_suite(suite)
    seeds = get_split(split, episodes)
    require_integer("bounds", bounds, 0, episodes)
    worker_count(workers)
    for name in scenarios:
        require_choice("scenarios", name, facts.scenarios)
    chosen = [name for name in facts.scenarios if not scenarios or name in scenarios]
    task = get_task(facts.env_id)
    if bounds and task.decides_paths:
        raise InvalidInput(f"bounds is {bounds}, but only LinkActivation suites have bounds.")
    words: list[str] = []
    for word in policies or [HEURISTICS, *facts.rows]:
        words += facts.heuristics() if word == HEURISTICS else [word]
    folder = str(out / "episodes") if record else ""
    rows = rows_of(words, task, taken=(BOUND, REFERENCE))
    runs = [(*row, episodes, folder) for row in rows]
    # The bound holds for the environment that lets its policies do the most.
    most = max(rows, key=lambda row: get_task(row.env_id).decides_releases).env_id
    runs += [(BOUND, BOUND, most, bounds, "")]
    runs += [(REFERENCE, REFERENCE, facts.env_id, bounds, folder)]
    units = [
        Unit(scenario, label, policy, env_id, seeds.split, seed, fingerprint, into)
        for scenario in chosen
        for label, policy, env_id, count, into in runs
        for fingerprint in [_fingerprint(policy, env_id, scenario, seeds.split)]
        for seed in range(seeds.first_seed, seeds.first_seed + count)
    ]
    # An agent that cannot be loaded stops the run before anything is written.
    for unit in {unit.policy: unit for unit in units if is_agent(unit.policy)}.values():
        policy_of(unit)
    require_writable_folder(out, "out")
    for into in {unit.episode_file.parent for unit in units if unit.episode_file is not None}:
        require_writable_folder(into, "out")
    header = {"format": FORMAT, "version": qkd_gym.__version__, "suite": suite, "split": split}
    journal = out / "journal.jsonl"
    entries, append = read_journal(journal, header, _Entry)
    done = {(*entry.key, entry.fingerprint): entry for entry in entries}
    found = {unit: done.get((*unit.key, unit.fingerprint)) for unit in units}
    played = {unit: entry for unit, entry in found.items() if entry is not None}
    for unit, entry in played.items():
        _require_fit(f"journal {shown(str(journal))}", unit, entry)
    waiting = [
        unit
        for unit in units
        if unit not in played or (unit.episode_file is not None and not unit.episode_file.is_file())
    ]
    tell = on_progress or (lambda finished, of: None)
    finished = count(len(units) - len(waiting))
    tell(next(finished), len(units))

    def note(index: int, outcome: Outcome) -> None:
        unit = waiting[index]
        numbers = {name: finite(value) for name, value in outcome.numbers.items()}
        played[unit] = _Entry(unit.key, unit.fingerprint, numbers, finite(outcome.decision_s))
        append(played[unit])
        tell(next(finished), len(units))

    for env_id in dict.fromkeys(unit.env_id for unit in waiting):
        warm_up(env_id)
    with start_workers(workers) as team:
        team.do(run_unit, waiting, note)
    played = {unit: played[unit] for unit in units}
    run = {**header, "episodes": episodes, "bounds": bounds}
    results = summarise(run, facts, [(unit, _numbers(entry)) for unit, entry in played.items()])
    results = json.loads(json.dumps(results))  # as a reader of the file gets it
    _write_compact(out / "results.json", results)
    _write_compact(out / "timings.json", _timings(played))
    return results


def _require_fit(journal: str, unit: Unit, entry: _Entry) -> None:
    """Refuses an entry that does not hold what the unit adds up to."""
    is_bound = unit.policy == BOUND
    names = {"seed", "delivered_bits"} | (set() if is_bound else {"offered_bits", *METRICS})
    numbers = entry.numbers
    fits = set(numbers) == names and numbers["seed"] == unit.seed
    if not fits or (entry.decision_s is None) != is_bound:
        raise InvalidInput(
            f"{journal} has other numbers of {shown(unit.key)} than a unit has; delete it to start "
            "anew."
        )
    require_number(f"{journal}: delivered_bits", numbers["delivered_bits"], 0.0)
    if not is_bound:
        require_number(f"{journal}: offered_bits", numbers["offered_bits"], 0.0, low_open=True)
        # A sum may round up.
        share = numbers["delivered_share"]
        require_number(f"{journal}: delivered_share", share, 0.0, 1.0 + 1e-9)


def _numbers(entry: _Entry) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in entry.numbers.items()}


def _fingerprint(policy: str, env_id: str, scenario: str, split: str) -> str:
    """Changes with whatever an episode depends on besides its seed and the version: the
    environment, the scenario's fields, an agent's recipe and weights, a baseline's parameters, the
    file of a class of the user's own."""
    config = as_mapping(resolve(scenario, {"split": split}))
    contents = _contents(policy, env_id, scenario)
    facts = json.dumps([config, policy, env_id, contents], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def _contents(policy: str, env_id: str, scenario: str) -> str:
    if policy in (BOUND, REFERENCE):
        return ""
    if is_agent(policy):
        return agent_digest(policy)
    if is_own(policy):
        return own_digest(policy)
    made = make_policy(in_environment(policy, get_task(env_id)), scenario=scenario)
    rules = made.activation, made.routing, made.fallback_activation, made.fallback_routing
    # Those that follow a schedule have its weights.
    return json.dumps([_described(rule) for rule in rules], default=np.ndarray.tolist)


def _described(rule: Any) -> list[Any]:
    """The rule's class and parameters."""
    parameters = dataclasses.asdict(rule) if dataclasses.is_dataclass(rule) else {}  # type: ignore[arg-type]
    return [type(rule).__name__, parameters]


def _timings(played: Mapping[Unit, _Entry]) -> dict[str, dict[str, float]]:
    """Mean wall time of a decision in seconds, by scenario and policy."""
    spent: dict[str, dict[str, list[float]]] = {}
    for unit, entry in played.items():
        if entry.decision_s is not None:  # the bound decides nothing
            parts = spent.setdefault(unit.scenario, {}).setdefault(unit.label, [])
            parts.append(entry.decision_s)
    return {
        scenario: {label: sum(parts) / len(parts) for label, parts in labels.items()}
        for scenario, labels in spent.items()
    }


def _write_compact(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    write_bytes(path, (text + "\n").encode())
