"""Comparisons as a printed table."""

from __future__ import annotations

from collections.abc import Sequence

from qkd_gym.evaluation.intervals import Comparison

_HEADER = (
    "policy",
    "delivered share",
    "mean QBER",
    "blocked share",
    "points to best baseline [95 %]",
)


def comparison_cells(rows: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """The table's cells as text, the header first."""
    cells: list[tuple[str, ...]] = [_HEADER]
    for row in rows:
        if row.difference is not None:
            mean, low, high = (100.0 * value for value in row.difference)
            difference = f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        else:
            difference = "best baseline" if row.policy == row.baseline else "-"
        cells.append(
            (
                row.policy,
                f"{row.metrics['delivered_share'].mean:.4f}",
                f"{100.0 * row.metrics['mean_qber'].mean:.2f} %",
                f"{row.metrics['blocked_share'].mean:.4f}",
                difference,
            )
        )
    return cells


def markdown_table(rows: Sequence[Comparison]) -> str:
    """The table in Markdown."""
    header, *body = comparison_cells(rows)
    ruler = ("---", *["---:"] * (len(header) - 1))
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ruler, *body))


def print_comparison(rows: Sequence[Comparison], title: str = "") -> None:
    """Prints the table, with rich where it is installed.

    Args:
        rows: From `qkd_gym.evaluation.compare` with the delivered share as its metric.
        title: Line above the table.
    """
    header, *body = comparison_cells(rows)
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print("\n".join(filter(None, [title, markdown_table(rows)])))
        return
    table = Table(title=title or None)
    for i, column in enumerate(header):
        table.add_column(column, justify="right" if i else "left", no_wrap=i == 0)
    for line in body:
        table.add_row(*line)
    Console().print(table)
