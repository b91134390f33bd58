"""GML, as the Topology Zoo, topohub and networkx write it."""

from __future__ import annotations

import re
from pathlib import Path

import networkx as nx

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.reading import read_bytes
from qkd_gym.topology.readers.guarded import refusals

_MOST_BYTES = 2**21  # networkx reads about a megabyte in a second
_DEEPEST = 64
# A text, a comment, or what else matters here.
_TOKEN = re.compile(r'"[^"]*"|#[^\n]*|\bgraph\s*\[|[\[\]]')


def read_gml(path: Path) -> nx.Graph:
    """The graph of a GML file; labels are an attribute of its nodes, since they may be alike.

    Raises:
        InvalidInput: If the file cannot be read or is malformed.
    """
    where = f"topology {shown(str(path))}"
    content = read_bytes(path, "topology", _MOST_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # as older files are
    with refusals(where, "GML"):
        return nx.parse_gml(_with_parallel_edges(text, where).splitlines(), label="id")


def _with_parallel_edges(text: str, where: str) -> str:
    """The same file, told to be a multigraph: the Topology Zoo has parallel edges undeclared.

    Raises:
        InvalidInput: If it is nested so deeply that a reader would fail.
    """
    depth, begin = 0, None
    for token in _TOKEN.finditer(text):
        if token[0].endswith("[") and token[0][0] not in '"#':
            depth += 1
            begin = token.end() if begin is None and len(token[0]) > 1 else begin
        elif token[0] == "]":
            depth -= 1
        if depth > _DEEPEST:
            raise InvalidInput(f"{where} is nested more than {_DEEPEST} levels deep.")
    if begin is None:
        raise InvalidInput(f"{where} is not valid GML: it has no graph [ ... ].")
    return f"{text[:begin]} multigraph 1 {text[begin:]}"
