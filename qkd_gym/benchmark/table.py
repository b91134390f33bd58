"""Results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
            bound = scenario["bound_share"]
            low, high = bound["interval_95"]
            parts.append(
                f"No policy can deliver more than {bound['mean']:.4f} [{low:.4f}, {high:.4f}] of "
                f"the offered key in the first {results['bounds']} episodes (clairvoyant linear "
                "program)."
            )
        lines = [_HEADER, ("---", *["---:"] * (len(_HEADER) - 1))]
        for label, entry in scenario["policies"].items():
            lines.append(_row(label, entry, scenario["best_baseline"]))
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(parts) + "\n"


def latency_markdown(timings: Mapping[str, Mapping[str, float]]) -> str:
    """Mean wall time per decision of ``timings.json``, one network at a time."""
    labels = list(dict.fromkeys(label for of_one in timings.values() for label in of_one))
    lines = [("policy", *timings), ("---", *["---:"] * len(timings))]
    for label in labels:
        cells = (f"{1e6 * t[label]:.1f} µs" if label in t else "-" for t in timings.values())
        lines.append((label, *cells))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _row(label: str, entry: Mapping[str, Any], best: str | None) -> tuple[str, ...]:
    metrics = entry["metrics"]

    def mean(name: str, form: str, scale: float = 1.0, unit: str = "") -> str:
        value = metrics[name]["mean"]
        return "-" if value is None else format(scale * value, form) + unit

    share = metrics["delivered_share"]
    low, high = share["interval_95"]
    difference = "best baseline" if label == best else "-"
    if "difference_to_best_baseline" in entry:
        gap = entry["difference_to_best_baseline"]
        ends = [100.0 * value for value in gap["interval_95"]]
        difference = f"{100.0 * gap['mean']:+.2f} [{ends[0]:+.2f}, {ends[1]:+.2f}]"
    closed = entry.get("to_reference", {}).get("closed")
    return (
        label,
        f"{share['mean']:.4f} [{low:.4f}, {high:.4f}]",
        f"{share['interquartile_mean']:.4f}",
        mean("blocked_share", ".4f"),
        mean("mean_qber", ".2f", 100.0, " %"),
        mean("key_rate_bps", ".2f", 1e-3),
        mean("fairness", ".4f"),
        mean("overflow_share", ".4f"),
        mean("switches_per_hour", ".1f"),
        mean("recovery_s", ".0f"),
        difference,
        "-" if closed is None else f"{100.0 * closed:.0f} %",
    )
