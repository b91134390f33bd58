"""Learning curves, as pictures and as numbers. matplotlib is loaded when a plot is drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from qkd_gym.files import write_figure, write_json


class LearningCurve(msgspec.Struct):
    """What the JSON file beside a learning curve's picture holds.

    Attributes:
        steps: Environment steps, n numbers.
        values: The quantity at those steps, n numbers.
        label: Name of the curve.
        quantity: Name of the vertical axis.
        references: Levels to compare with, by name.
    """

    steps: list[float]
    values: list[float]
    label: str
    quantity: str
    references: dict[str, float]


def plot_learning_curve(
    path: str | os.PathLike[str],
    steps: Sequence[float],
    values: Sequence[float],
    *,
    label: str = "policy",
    quantity: str = "delivered share",
    references: Mapping[str, float] | None = None,
) -> None:
    """Draws a quantity against environment steps, as PNG, and writes its numbers beside it.

    Args:
        path: File to write; that of the numbers has the same name but for its ending, ``.json``,
            and the fields of `LearningCurve`.
        steps: Environment steps, shape (n,).
        values: The quantity at those steps, shape (n,).
        label: Name of the curve.
        quantity: Name of the vertical axis.
        references: Levels to compare with, such as baselines, drawn as dashed lines.
    """
    # The object interface needs no display and leaves the caller's pyplot state alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, values, marker="o", markersize=3, label=label)
    for number, (name, level) in enumerate((references or {}).items(), start=1):
        axes.axhline(level, linestyle="--", linewidth=1, color=f"C{number}", label=name)
    axes.set_xlabel("environment steps")
    axes.set_ylabel(quantity)
    axes.grid(alpha=0.3)
    axes.legend()
    write_figure(Path(path), figure)
    curve = LearningCurve([*steps], [*values], label, quantity, dict(references or {}))
    write_json(Path(path).with_suffix(".json"), msgspec.structs.asdict(curve))
