"""Results as tables in Markdown, and the leaderboard of episodes that were played again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import qkd_gym
from qkd_gym.benchmark.costs import costs_section
from qkd_gym.benchmark.replay import Episode
from qkd_gym.benchmark.summary import describe, interval_of
from qkd_gym.benchmark.supported_load import supported_loads
from qkd_gym.envs.metrics import metrics_of
from qkd_gym.envs.tasks import LINK_ACTIVATION, TASKS, get_task
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation.comparison import differences_to_best
from qkd_gym.evaluation.intervals import Interval
from qkd_gym.evaluation.report import interval_text, points_text
from qkd_gym.evaluation.result import OBJECTIVE
from qkd_gym.markdown import markdown_table
from qkd_gym.network.config import NetworkConfig

_SHARE_COLUMNS = ("delivered share [95 %]", "IQM")
# Where there are service classes, whose requests are worth more or less.
_VALUE_COLUMNS = ("value share [95 %]", "IQM", "delivered share")
# Column: metric, factor to the column's unit, format.
_MEAN_COLUMNS = {
    "blocked": ("blocked_share", 1.0, "{:.4f}"),
    "mean QBER": ("mean_qber", 100.0, "{:.2f} %"),
    "key rate (kbit/s)": ("key_rate_bps", 1e-3, "{:.2f}"),
    "fairness": ("fairness", 1.0, "{:.4f}"),
    "overflow": ("overflow_share", 1.0, "{:.4f}"),
    "switches/h": ("switches_per_hour", 1.0, "{:.1f}"),
    "recovery (s)": ("recovery_s", 1.0, "{:.0f}"),
    "lost per fault (Mbit)": ("lost_per_fault_bits", 1e-6, "{:.1f}"),
}
_DIFFERENCE_COLUMNS = ("points to best baseline [95 %]", "distance closed")
_RANKED_MEANS = (
    "mean QBER",
    "fairness",
    "switches/h",
    "recovery (s)",
    "lost per fault (Mbit)",
)
_TO_FIRST = "points to the first [95 %]"


def markdown(results: Mapping[str, Any]) -> str:
    """All scenarios of ``results.json``, one table each."""
    parts = [
        f"# Suite {results['suite']}\n\n{results['purpose']} {results['env_id']}, "
        f"{results['episodes']} {results['split']} episodes per scenario, paired by seed; 95 % "
        "bootstrap intervals over episodes; IQM is the interquartile mean of the delivered share."
    ]
    for name, scenario in results["scenarios"].items():
        parts.append(f"## {name}")
        if "bound_share" in scenario:
            bound = interval_text(interval_of(scenario["bound_share"]))
            parts.append(
                f"No policy can deliver more than {bound} of the offered key in the first "
                f"{results['bounds']} episodes (clairvoyant linear program)."
            )
        best, valued = scenario["best_baseline"], _has_classes(scenario["config"])
        header = ("policy", "environment", *_share_columns(valued), *_MEAN_COLUMNS)
        rows = (_row(label, facts, best, valued) for label, facts in scenario["policies"].items())
        parts.append(markdown_table((*header, *_DIFFERENCE_COLUMNS), rows))
    return "\n\n".join(parts) + "\n"


def latency_markdown(timings: Mapping[str, Mapping[str, float]]) -> str:
    """Mean wall time per decision of ``timings.json``, one network at a time."""
    labels = list(dict.fromkeys(label for of_one in timings.values() for label in of_one))
    rows = (
        (label, *(f"{1e6 * t[label]:.1f} µs" if label in t else "-" for t in timings.values()))
        for label in labels
    )
    return markdown_table(("policy", *timings), rows) + "\n"


def _has_classes(config: Mapping[str, Any]) -> bool:
    return bool(config.get("service_classes"))


def _share_columns(valued: bool) -> tuple[str, ...]:
    return _VALUE_COLUMNS if valued else _SHARE_COLUMNS


def _metric_cells(metrics: Mapping[str, Any], columns: Iterable[str], valued: bool) -> list[str]:
    """Cells of a policy's row in `_share_columns` and in some of `_MEAN_COLUMNS`."""
    share = metrics[OBJECTIVE]
    cells = ["-"] * len(_share_columns(valued))  # where no key was asked for
    if share["mean"] is not None:
        cells = [interval_text(interval_of(share)), f"{share['interquartile_mean']:.4f}"]
        cells += [f"{metrics['delivered_share']['mean']:.4f}"] if valued else []
    for column in columns:
        name, factor, form = _MEAN_COLUMNS[column]
        mean = metrics[name]["mean"]
        cells.append("-" if mean is None else form.format(factor * mean))
    return cells


def _row(label: str, facts: Mapping[str, Any], best: str | None, valued: bool) -> tuple[str, ...]:
    difference = facts.get("difference_to_best_baseline")
    closed = facts.get("to_reference", {}).get("closed")
    otherwise = "best baseline" if label == best else "-"
    return (
        label,
        get_task(facts["env_id"]).name,
        *_metric_cells(facts["metrics"], _MEAN_COLUMNS, valued),
        points_text(difference and interval_of(difference), otherwise),
        "-" if closed is None else f"{100.0 * closed:.0f} %",
    )


class _Policy(NamedTuple):
    """Who has played an episode, and which environment, by its short name."""

    name: str
    environment: str


# By scenario, events and bank of networks.
Tables = dict[tuple[str, str, str], dict[_Policy, dict[int, Episode]]]
# Whose delivered share at this load others are compared at.
_REFERENCE, _LOAD = _Policy("demand-deficit", LINK_ACTIVATION.name), 1.0


def leaderboard(episodes: Sequence[Episode]) -> str:
    """Markdown with one table per scenario, events and bank of networks, and what policies cost.

    Environments of the same events share a table. Policies of a table are compared on the seeds
    that all of them have played; those that have played fewer than others, because their decisions
    take long, come with the others in a second table.

    Args:
        episodes: From `qkd_gym.benchmark.validate`.

    Raises:
        InvalidInput: If a policy has played a seed twice, or two policies no seed in common.
    """
    if not episodes:
        raise InvalidInput("episodes is empty, but must hold at least one validated episode.")
    tables: Tables = {}
    for episode in episodes:
        task = get_task(episode.env_id)
        key = (
            episode.scenario,
            TASKS[task.events].env_id,
            str(episode.config.get("split", NetworkConfig.split)),
        )
        policy = _Policy(episode.policy, task.name)
        of_policy = tables.setdefault(key, {}).setdefault(policy, {})
        if episode.seed in of_policy:
            raise InvalidInput(
                f"seed {episode.seed} of {episode.policy!r} in {episode.scenario!r} is there twice."
            )
        of_policy[episode.seed] = episode
    parts = [
        "# Results\n\n"
        f"Every result comes from episode files that version {qkd_gym.__version__} played again, "
        "action by action, with totals equal bit for bit (`python -m qkd_gym validate`). Policies "
        "of a table are compared on the same seeds; intervals are 95 % bootstrap intervals over "
        "episodes. Baselines have the tuned parameters that ship with the package."
    ]
    for (scenario, env_id, split), policies in tables.items():
        configs = {str(e.config) for of_one in policies.values() for e in of_one.values()}
        if len(configs) > 1:
            raise InvalidInput(f"scenario {scenario!r} has files with different configurations.")
        parts.append(
            f"## {scenario}\n\nEvents of {env_id}, split `{split}`.\n\n"
            f"{_rankings(scenario, policies)}"
        )
    parts += _by_load(tables)
    parts += costs_section(policy.name for policies in tables.values() for policy in policies)
    return "\n\n".join(parts) + "\n"


def _by_load(tables: Tables) -> list[str]:
    """A section for every group of scenarios that differ in load alone, the reference's among
    them."""
    groups: dict[tuple[str, ...], dict[float, dict[_Policy, dict[int, Episode]]]] = {}
    for (_, env_id, split), policies in tables.items():
        config = dict(next(iter(next(iter(policies.values())).values())).config)
        load = float(config.pop("load", NetworkConfig.load))
        key = env_id, split, json.dumps(config, sort_keys=True)
        groups.setdefault(key, {})[load] = policies
    parts = []
    for by_load in groups.values():
        seeds = set(by_load[_LOAD].get(_REFERENCE, {})) if _LOAD in by_load else set()
        shares = {
            policy: {
                load: _metrics(of_all[policy], sorted(seeds))["delivered_share"]
                for load, of_all in by_load.items()
            }
            for policy in by_load.get(_LOAD, {})
            if all(set(of_all.get(policy, {})) == seeds for of_all in by_load.values())
        }
        if len(by_load) < 2 or len(shares) < 2:
            continue
        found = supported_loads(shares, _REFERENCE, _LOAD)
        ranked = sorted(found, key=lambda policy: -np.nan_to_num(found[policy].mean))
        loads = ", ".join(f"{load:g}" for load in sorted(by_load))
        parts.append(
            f"## Supported load\n\nThe load at which a policy delivers the share that "
            f"{_REFERENCE.name} delivers at load {_LOAD:g}, from {len(seeds)} episodes at each of "
            f"the loads {loads}; a dash where it lies beyond them.\n\n"
            + markdown_table(
                ("policy", "environment", "load [95 %]"),
                [(*policy, _load_text(found[policy])) for policy in ranked],
            )
        )
    return parts


def _metrics(played: Mapping[int, Episode], seeds: Iterable[int]) -> dict[str, NDArray[np.float64]]:
    """Metrics of the episodes of these seeds."""
    rows = [played[seed].totals for seed in seeds]
    # None, which a file has for NaN, becomes NaN again.
    return metrics_of({key: np.array([row[key] for row in rows], np.float64) for key in rows[0]})


def _load_text(load: Interval) -> str:
    return "-" if np.isnan(load.mean) else interval_text(load, ".3f")


def _rankings(scenario: str, policies: dict[_Policy, dict[int, Episode]]) -> str:
    most = max(map(len, policies.values()))
    fast = {policy: played for policy, played in policies.items() if len(played) == most}
    parts = [_ranking(scenario, fast)]
    if len(fast) < len(policies):
        parts += ["On the episodes that slower policies have played too:"]
        parts += [_ranking(scenario, policies)]
    return "\n\n".join(parts)


def _ranking(scenario: str, policies: dict[_Policy, dict[int, Episode]]) -> str:
    seeds = sorted(set.intersection(*(set(played) for played in policies.values())))
    if not seeds:
        raise InvalidInput(f"the policies in {scenario!r} have no seed in common.")
    metrics = {policy: _metrics(played, seeds) for policy, played in policies.items()}
    shares = {policy: values[OBJECTIVE] for policy, values in metrics.items()}
    ranked = sorted(shares, key=lambda policy: (-float(np.nanmean(shares[policy])), policy))
    _, differences = differences_to_best(shares, ranked[:1])
    valued = any(_has_classes(e.config) for of_one in policies.values() for e in of_one.values())
    shown = (OBJECTIVE, "delivered_share", *(_MEAN_COLUMNS[column][0] for column in _RANKED_MEANS))
    table = []
    for policy in ranked:
        described = {key: describe(metrics[policy][key]) for key in shown}
        cells = _metric_cells(described, _RANKED_MEANS, valued)
        table.append((*policy, str(len(seeds)), *cells, points_text(differences.get(policy))))
    header = ("policy", "environment", "episodes", *_share_columns(valued), *_RANKED_MEANS)
    return markdown_table((*header, _TO_FIRST), table)
