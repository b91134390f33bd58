"""Tables in Markdown, for reports and pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is aligned left and whose others are aligned right.

    Args:
        header: Text of the columns' heads.
        rows: Text of the cells, as many per row as there are columns.

    Returns:
        Lines without a newline at the end.
    """
    ruler = ("---", *["---:"] * (len(header) - 1))
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ruler, *rows))
