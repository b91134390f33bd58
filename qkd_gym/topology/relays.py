"""Trusted relays on links that are too long for one span."""

from __future__ import annotations

import math

import networkx as nx

from qkd_gym.errors import InvalidInput, require_number
from qkd_gym.topology.checks import MOST_LINKS, MOST_SITES, RELAY_WEIGHT, title


def with_relays(graph: nx.Graph, max_span_km: float) -> nx.Graph:
    """A network with relays, see `Topology.with_relays`.

    Args:
        graph: As `Topology.to_networkx` makes it; left as it is.
        max_span_km: Length of the longest span in km.

    Raises:
        InvalidInput: If ``max_span_km`` is not above 0, or so small that there are too many sites
            or links.
    """
    require_number("max_span_km", max_span_km, 0.0, low_open=True, unit="km")
    links = list(graph.edges(data="length_km"))
    # Lengths have six decimals, and a span may be too long by the last of them.
    needed = [(length - 1e-6) / max_span_km for *_, length in links]
    added = sum(max(0.0, spans - 1.0) for spans in needed)
    for what, count, most in (("sites", len(graph), MOST_SITES), ("links", len(links), MOST_LINKS)):
        if count + added > most:
            raise InvalidInput(
                f"{title(graph.name)}max_span_km is {max_span_km:g} km, but then there would be "
                f"some {count + added:.3g} {what}, and there may be at most {most}."
            )
    divided = graph.copy()
    for (first, last, _), spans in zip(links, needed, strict=True):
        if spans > 1.0:
            _divide(divided, first, last, math.ceil(spans))
    if added > 0.0:
        divided.graph["name"] += f"-span{max_span_km:g}"
    return divided


def _divide(graph: nx.Graph, first: int, last: int, spans: int) -> None:
    """Puts relays at equal distances on a link."""
    link, one, other = graph[first][last], graph.nodes[first], graph.nodes[last]
    graph.remove_edge(first, last)
    # Air has its own law; the loss of fibre grows with its length.
    loss_db = None if link["free_space"] else link["loss_db"] / spans
    span = {**link, "length_km": link["length_km"] / spans, "loss_db": loss_db}
    before = first
    for number in range(1, spans):
        share, relay = number / spans, len(graph)
        graph.add_node(
            relay,
            name=f"{one['name']}~{other['name']}-{number}",
            x_km=(1.0 - share) * one["x_km"] + share * other["x_km"],
            y_km=(1.0 - share) * one["y_km"] + share * other["y_km"],
            district=(one if share <= 0.5 else other)["district"],
            weight=RELAY_WEIGHT,
        )
        graph.add_edge(before, relay, **span)
        before = relay
    graph.add_edge(before, last, **span)
