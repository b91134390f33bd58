"""CSV: a table of links and, beside it, one of sites."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx

from qkd_gym.errors import InvalidInput, require_choice, require_known_keys, shown
from qkd_gym.reading import read_bytes

Kind = type[str] | type[float] | type[int]

# Columns, and what they hold.
_LINKS: dict[str, Kind] = {
    "source": str,
    "target": str,
    "length_km": float,
    "loss_db": float,
    "kind": str,
    "preset": str,
}
_SITES: dict[str, Kind] = {
    "id": str,
    "name": str,
    "x_km": float,
    "y_km": float,
    "lat": float,
    "lon": float,
    "population": float,
    "district": int,
}
_FREE_SPACE = {"fibre": False, "free-space": True}


def read_csv(path: Path) -> nx.Graph:
    """The graph of a table of links, and of the table of sites beside it.

    The table of links has the columns ``source`` and ``target``, and optionally ``length_km``,
    ``loss_db``, ``kind``, ``fibre`` or ``free-space``, and ``preset``. The sites are in the file of
    the same name with ``sites`` for ``links``, as ``sites.csv`` beside ``links.csv``; without such
    a file they are those that links lead to. Their columns are ``id``, and optionally ``name``,
    ``x_km`` and ``y_km`` or ``lat`` and ``lon``, ``population`` and ``district``. Columns are
    separated by commas, semicolons or tabs; an empty field says nothing.

    Args:
        path: The table of links.

    Raises:
        InvalidInput: If a file cannot be read or is malformed.
    """
    graph = nx.MultiDiGraph()  # a table may have a row per direction
    beside = path.with_name(path.name.replace("links", "sites"))
    has_sites = beside != path and beside.is_file()
    if has_sites:
        for where, row in _rows(beside, _SITES, ("id",)):
            if row["id"] in graph:
                raise InvalidInput(f"{where}: id is {shown(row['id'])}, but must be unique.")
            graph.add_node(row.pop("id"), **row)
    for where, row in _rows(path, _LINKS, ("source", "target")):
        if "kind" in row:
            require_choice(f"{where}: kind", row["kind"], _FREE_SPACE)
            row["free_space"] = _FREE_SPACE[row.pop("kind")]
        for end in ("source", "target"):
            if has_sites:
                require_choice(f"{where}: {end}", row[end], graph)
        graph.add_edge(row.pop("source"), row.pop("target"), **row)
    return graph


def _rows(
    path: Path, columns: Mapping[str, Kind], needed: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a table, each with words for where it is, without its empty fields."""
    name = f"topology {shown(str(path))}"
    try:
        text = read_bytes(path, "topology").decode("utf-8-sig")
        first_line = text.partition("\n")[0]
        separator = max(",;\t", key=first_line.count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [(table.line_num, row) for row in table if any(field.strip() for field in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{name} is not valid CSV: {error}.") from None
    header = [title.strip() for title in rows[0][1]] if rows else []
    require_known_keys(name, header, columns)
    for key in dict.fromkeys((*needed, *header)):
        if header.count(key) != 1:
            raise InvalidInput(
                f"{name} has {header.count(key)} columns {key!r}, but must have one of this name "
                "in its first line."
            )
    for line, row in rows[1:]:
        where = f"{name} line {line}"
        if len(row) > len(header):
            raise InvalidInput(f"{where} has {len(row)} fields, but must have {len(header)}.")
        fields = zip(header, map(str.strip, row), strict=False)
        found = {key: _value(where, key, field, columns[key]) for key, field in fields if field}
        for key in needed:
            if key not in found:
                raise InvalidInput(f"{where} lacks {key}, but must have it.")
        yield where, found


def _value(where: str, key: str, field: str, kind: Kind) -> str | float | int:
    try:
        return kind(field)
    except ValueError:
        words = {float: "a number with a decimal point", int: "an integer"}[kind]
        raise InvalidInput(f"{where}: {key} is {shown(field)}, but must be {words}.") from None
