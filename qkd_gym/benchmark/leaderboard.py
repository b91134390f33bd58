"""The leaderboard, made from episode files that were played again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import qkd_gym
from qkd_gym.benchmark.replay import Episode
from qkd_gym.benchmark.summary import describe
from qkd_gym.benchmark.table import MEAN_COLUMNS, SHARE_COLUMNS, metric_cells
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation.comparison import differences_to_best
from qkd_gym.evaluation.episodes import metrics_of
from qkd_gym.evaluation.report import points_text
from qkd_gym.markdown import markdown_table

_MEANS = ("mean QBER", "fairness", "switches/h")
_HEADER = ("policy", "episodes", *SHARE_COLUMNS, *_MEANS, "points to the first [95 %]")


def leaderboard(episodes: Sequence[Episode]) -> str:
    """Markdown with one table per scenario, environment and bank of networks.

    Policies of a table are compared on the seeds that all of them have played.

    Args:
        episodes: From `qkd_gym.benchmark.validate`.

    Raises:
        InvalidInput: If a policy has played a seed twice, or two policies no seed in common.
    """
    if not episodes:
        raise InvalidInput("episodes is empty, but must hold at least one validated episode.")
    tables: dict[tuple[str, str, str], dict[str, dict[int, Episode]]] = {}
    for episode in episodes:
        key = (episode.scenario, episode.env_id, str(episode.config["split"]))
        of_policy = tables.setdefault(key, {}).setdefault(episode.policy, {})
        if episode.seed in of_policy:
            raise InvalidInput(
                f"seed {episode.seed} of {episode.policy!r} in {episode.scenario!r} is there twice."
            )
        of_policy[episode.seed] = episode
    parts = [
        "# Results\n\n"
        f"Every number comes from episode files that version {qkd_gym.__version__} played again, "
        "action by action, with totals equal bit for bit (`python -m qkd_gym validate`). Policies "
        "of a table are compared on the same seeds; intervals are 95 % bootstrap intervals over "
        "episodes. Baselines have the tuned parameters that ship with the package."
    ]
    for (scenario, env_id, split), policies in tables.items():
        configs = {str(e.config) for of_one in policies.values() for e in of_one.values()}
        if len(configs) > 1:
            raise InvalidInput(f"scenario {scenario!r} has files with different configurations.")
        parts.append(f"## {scenario}\n\n{env_id}, split `{split}`.\n\n{_table(scenario, policies)}")
    return "\n\n".join(parts) + "\n"


def _table(scenario: str, policies: dict[str, dict[int, Episode]]) -> str:
    seeds = sorted(set.intersection(*(set(played) for played in policies.values())))
    if not seeds:
        raise InvalidInput(f"the policies in {scenario!r} have no seed in common.")
    metrics = {}
    for name, played in policies.items():
        first = played[seeds[0]].totals
        # None, which a file has for NaN, becomes NaN again.
        totals = {
            key: np.array([played[seed].totals[key] for seed in seeds], np.float64) for key in first
        }
        metrics[name] = metrics_of(totals)
    shares = {name: values["delivered_share"] for name, values in metrics.items()}
    ranked = sorted(shares, key=lambda name: (-float(np.nanmean(shares[name])), name))
    _, differences = differences_to_best(shares, ranked[:1])
    shown = ("delivered_share", *(MEAN_COLUMNS[column][0] for column in _MEANS))
    rows = (
        (
            name,
            str(len(seeds)),
            *metric_cells({key: describe(metrics[name][key]) for key in shown}, _MEANS),
            points_text(differences.get(name)),
        )
        for name in ranked
    )
    return markdown_table(_HEADER, rows)
