"""Comparisons as a table, and how intervals are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qkd_gym.evaluation.comparison import Comparison
from qkd_gym.evaluation.intervals import Interval
from qkd_gym.evaluation.result import OBJECTIVE
from qkd_gym.markdown import markdown_table

_FIRST, _LAST = ("policy", "delivered share"), "points to best baseline [95 %]"


def interval_text(interval: Interval, form: str = ".4f") -> str:
    """A mean with its interval, ``0.6723 [0.6612, 0.6834]``, or ``0.6723 (no interval)``.

    Args:
        interval: What to write; fewer than two episodes have no interval.
        form: Format of each number.
    """
    mean, low, high = (format(value, form) for value in interval)
    return f"{mean} (no interval)" if np.isnan(interval.low) else f"{mean} [{low}, {high}]"


def points_text(difference: Interval | None, otherwise: str = "-") -> str:
    """A difference of shares in points of a hundred, ``+1.23 [+0.96, +1.48]``.

    Args:
        difference: Difference of two shares in [-1, 1].
        otherwise: What to write where there is none.
    """
    if difference is None:
        return otherwise
    return interval_text(Interval(*(100.0 * value for value in difference)), "+.2f")


def comparison_cells(
    rows: Sequence[Comparison],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table's header and its cells as text, a row per policy.

    The value share has a column where it is not the delivered share.

    Args:
        rows: From `qkd_gym.evaluation.compare` with the value share as its metric.
    """
    delivered = [row.metrics["delivered_share"].mean for row in rows]
    valued = delivered != [row.metrics[OBJECTIVE].mean for row in rows]
    shares = ("value share",) if valued else ()
    cells = [
        (
            row.policy,
            f"{row.metrics['delivered_share'].mean:.4f}",
            *([f"{row.metrics[OBJECTIVE].mean:.4f}"] if valued else []),
            f"{100.0 * row.metrics['mean_qber'].mean:.2f} %",
            f"{row.metrics['blocked_share'].mean:.4f}",
            points_text(row.difference, "best baseline" if row.policy == row.baseline else "-"),
        )
        for row in rows
    ]
    return (*_FIRST, *shares, "mean QBER", "blocked share", _LAST), cells


def comparison_table(rows: Sequence[Comparison]) -> str:
    """The table in Markdown.

    Args:
        rows: From `qkd_gym.evaluation.compare` with the value share as its metric.
    """
    return markdown_table(*comparison_cells(rows))


def print_comparison(rows: Sequence[Comparison], title: str = "") -> None:
    """Prints the table, with rich where it is installed.

    Args:
        rows: From `qkd_gym.evaluation.compare` with the value share as its metric.
        title: Line above the table.
    """
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print("\n".join(filter(None, [title, comparison_table(rows)])))
        return
    table = Table(title=title or None)
    header, cells = comparison_cells(rows)
    for i, column in enumerate(header):
        table.add_column(column, justify="right" if i else "left", no_wrap=i == 0)
    for line in cells:
        table.add_row(*line)
    Console(markup=False).print(table)  # names are not markup
