"""Results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkd_gym.benchmark.summary import interval_of
from qkd_gym.evaluation.report import interval_text, points_text
from qkd_gym.markdown import markdown_table

_HEADER = (
    "policy",
    "delivered share [95 %]",
    "IQM",
    "blocked",
    "mean QBER",
    "key rate (kbit/s)",
    "fairness",
    "overflow",
    "switches/h",
    "recovery (s)",
    "points to best baseline [95 %]",
    "distance closed",
)


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


def _row(label: str, facts: Mapping[str, Any], best: str | None) -> tuple[str, ...]:
    metrics = facts["metrics"]

    def mean(name: str, form: str, scale: float = 1.0, unit: str = "") -> str:
        value = metrics[name]["mean"]
        return "-" if value is None else format(scale * value, form) + unit

    share = metrics["delivered_share"]
    difference = facts.get("difference_to_best_baseline")
    closed = facts.get("to_reference", {}).get("closed")
    return (
        label,
        interval_text(interval_of(share)),
        f"{share['interquartile_mean']:.4f}",
        mean("blocked_share", ".4f"),
        mean("mean_qber", ".2f", 100.0, " %"),
        mean("key_rate_bps", ".2f", 1e-3),
        mean("fairness", ".4f"),
        mean("overflow_share", ".4f"),
        mean("switches_per_hour", ".1f"),
        mean("recovery_s", ".0f"),
        points_text(
            difference and interval_of(difference), "best baseline" if label == best else "-"
        ),
        "-" if closed is None else f"{100.0 * closed:.0f} %",
    )
