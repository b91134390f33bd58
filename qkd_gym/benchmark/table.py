"""Results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qkd_gym.benchmark.summary import interval_of
from qkd_gym.evaluation.report import interval_text, points_text
from qkd_gym.markdown import markdown_table

SHARE_COLUMNS = ("delivered share [95 %]", "IQM")
# Column: metric, factor to the column's unit, format.
MEAN_COLUMNS = {
    "blocked": ("blocked_share", 1.0, "{:.4f}"),
    "mean QBER": ("mean_qber", 100.0, "{:.2f} %"),
    "key rate (kbit/s)": ("key_rate_bps", 1e-3, "{:.2f}"),
    "fairness": ("fairness", 1.0, "{:.4f}"),
    "overflow": ("overflow_share", 1.0, "{:.4f}"),
    "switches/h": ("switches_per_hour", 1.0, "{:.1f}"),
    "recovery (s)": ("recovery_s", 1.0, "{:.0f}"),
}
_DIFFERENCE_COLUMNS = ("points to best baseline [95 %]", "distance closed")
_HEADER = ("policy", *SHARE_COLUMNS, *MEAN_COLUMNS, *_DIFFERENCE_COLUMNS)


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
        best = scenario["best_baseline"]
        rows = (_row(label, facts, best) for label, facts in scenario["policies"].items())
        parts.append(markdown_table(_HEADER, rows))
    return "\n\n".join(parts) + "\n"


def latency_markdown(timings: Mapping[str, Mapping[str, float]]) -> str:
    """Mean wall time per decision of ``timings.json``, one network at a time."""
    labels = list(dict.fromkeys(label for of_one in timings.values() for label in of_one))
    rows = (
        (label, *(f"{1e6 * t[label]:.1f} µs" if label in t else "-" for t in timings.values()))
        for label in labels
    )
    return markdown_table(("policy", *timings), rows) + "\n"


def metric_cells(metrics: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Cells of a policy's row in `SHARE_COLUMNS` and in columns of means.

    Args:
        metrics: Of the policy, as ``results.json`` has them.
        columns: Columns of means after those of the delivered share, for instance ``"fairness"``.
    """
    share = metrics["delivered_share"]
    cells = [interval_text(interval_of(share)), f"{share['interquartile_mean']:.4f}"]
    for column in columns:
        name, factor, form = MEAN_COLUMNS[column]
        mean = metrics[name]["mean"]
        cells.append("-" if mean is None else form.format(factor * mean))
    return cells


def _row(label: str, facts: Mapping[str, Any], best: str | None) -> tuple[str, ...]:
    difference = facts.get("difference_to_best_baseline")
    closed = facts.get("to_reference", {}).get("closed")
    return (
        label,
        *metric_cells(facts["metrics"], MEAN_COLUMNS),
        points_text(
            difference and interval_of(difference), "best baseline" if label == best else "-"
        ),
        "-" if closed is None else f"{100.0 * closed:.0f} %",
    )
