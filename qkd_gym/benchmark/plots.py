"""One page per suite: policies by scenario, and along the fields in which scenarios differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qkd_gym.benchmark.suites import get_suite
from qkd_gym.benchmark.summary import interval_of
from qkd_gym.benchmark.worker import REFERENCE
from qkd_gym.evaluation.intervals import Interval
from qkd_gym.extras import require_extra
from qkd_gym.files import write_figure

# Curves drawn in colour: the best policies of a panel; the others are grey.
_COLOURED = 7
_LABELS = {
    "load": "load (1 = all that a static fractional plan carries)",
    "calibration_s": "calibration time (s)",
    "n_sites": "sites",
}


def plot_suite(path: Path, results: Mapping[str, Any]) -> None:
    """Draws the delivered share with 95 % intervals and saves it as PNG.

    Args:
        path: File to write.
        results: Content of ``results.json``.
    """
    require_extra("plot", "matplotlib")
    # The object interface needs no display and leaves the caller's pyplot state alone.
    from matplotlib.figure import Figure

    scenarios = results["scenarios"]
    axes = {
        field: [name for name in names if name in scenarios]
        for field, names in get_suite(results["suite"]).axes.items()
    }
    axes = {field: names for field, names in axes.items() if len(names) > 1}
    colours = _colours(scenarios)
    height = 1.5 + 0.55 * len(scenarios) + 0.16 * len(colours)
    figure = Figure(figsize=(11.0, height + (4.5 if axes else 0.0)), dpi=130, layout="constrained")
    grid = figure.add_gridspec(
        2 if axes else 1, max(len(axes), 1), height_ratios=[4.5, height] if axes else None
    )
    for column, (field, names) in enumerate(axes.items()):
        panel = figure.add_subplot(grid[0, column])
        _curves(panel, field, names, scenarios, colours)
    panel = figure.add_subplot(grid[-1, :])
    _dots(panel, scenarios, colours)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    figure.suptitle(
        f"Suite {results['suite']}: {results['episodes']} {results['split']} episodes per scenario"
    )
    write_figure(path, figure)


def _colours(scenarios: Mapping[str, Any]) -> dict[str, str]:
    """A colour for every policy, the best in the mean of their scenarios first."""
    shares: dict[str, list[float]] = {}
    for scenario in scenarios.values():
        for label in scenario["policies"]:
            shares.setdefault(label, []).append(_share(scenario, label).mean)
    ranked = sorted(shares, key=lambda label: -sum(shares[label]) / len(shares[label]))
    colours = {REFERENCE: "black"} if REFERENCE in ranked else {}
    others = (label for label in ranked if label not in colours)
    return colours | {o: f"C{i}" if i < _COLOURED else "0.7" for i, o in enumerate(others)}


def _share(scenario: Mapping[str, Any], label: str) -> Interval:
    return interval_of(scenario["policies"][label]["metrics"]["delivered_share"])


def _curves(
    panel: Any, field: str, names: list[str], scenarios: Mapping[str, Any], colours: dict[str, str]
) -> None:
    for label, colour in colours.items():
        inside = [name for name in names if label in scenarios[name]["policies"]]
        x = [scenarios[name]["config"][field] for name in inside]
        rows = [_share(scenarios[name], label) for name in inside]
        mean, low, high = zip(*rows, strict=True) if rows else ((), (), ())
        grey = colour == "0.7"
        panel.plot(x, mean, color=colour, marker=".", linewidth=0.8 if grey else 1.6)
        if not grey:
            panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    panel.set_xlabel(_LABELS.get(field, field))
    panel.set_ylabel("delivered share")
    panel.grid(alpha=0.3)


def _dots(panel: Any, scenarios: Mapping[str, Any], colours: dict[str, str]) -> None:
    step = 0.8 / max(len(colours), 1)
    for number, (label, colour) in enumerate(colours.items()):
        y, rows = [], []
        for row, scenario in enumerate(scenarios.values()):
            if label in scenario["policies"]:
                y.append(row - 0.4 + step * (number + 0.5))
                rows.append(_share(scenario, label))
        mean = [row.mean for row in rows]
        errors = [[row.mean - row.low for row in rows], [row.high - row.mean for row in rows]]
        panel.errorbar(
            mean, y, xerr=errors, fmt="o", markersize=3, color=colour, elinewidth=1, label=label
        )
    panel.set_yticks(range(len(scenarios)), list(scenarios))
    panel.invert_yaxis()
    for edge in range(1, len(scenarios)):
        panel.axhline(edge - 0.5, color="0.85", linewidth=0.6)
    panel.set_xlabel("delivered share")
    panel.grid(axis="x", alpha=0.3)
