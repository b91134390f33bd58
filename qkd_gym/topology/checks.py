"""What makes a network one that can be simulated, each refused with a sentence otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_between, shown
from qkd_gym.physics import preset
from qkd_gym.physics.channel import MAX_LOSS_DB
from qkd_gym.physics.numerics import F64

MOST_SITES = 1000
# Candidate paths number links, and one more that stands for none, in 16 bits; the links of a
# network are filled up to a multiple of 16.
MOST_LINKS = 32_752

# Lowest and highest value of a number, and its unit.
LIMITS = {
    "x_km": (-1e5, 1e5, "km (not metres)"),
    "y_km": (-1e5, 1e5, "km (not metres)"),
    "lat": (-90.0, 90.0, "degrees"),
    "lon": (-180.0, 360.0, "degrees"),
    "length_km": (1e-6, 5e4, "km (not metres)"),
    "loss_db": (0.0, MAX_LOSS_DB, "dB"),
    "site_weight": (1e-9, 1e12, ""),
}
RELAY_WEIGHT = LIMITS["site_weight"][0]  # the least weight marks a relay, without own demand
# The straight line is at most these times a link's length, plus this for coarse coordinates; the
# length at most these times the line, plus this for what is drawn too close.
SHORTCUT, SHORTCUT_KM = 20.0, 1.0
_DETOUR, _DETOUR_KM = 100.0, 100.0
_LISTED = 4  # names in a sentence


def title(network: str) -> str:
    """Begins a sentence about a network."""
    return f"topology {shown(network, 40)}: "


def site_words(name: str) -> str:
    """A site as sentences call it."""
    return f"site {shown(name, 40)}"


def link_words(first: str, second: str) -> str:
    """A link as sentences call it."""
    return f"link {shown(first, 40)} to {shown(second, 40)}"


def some_of(names: Sequence[str]) -> str:
    """Names as sentences list them, not more than fit."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(shown(name, 25) for name in names[:_LISTED]) + more


def check_limits(where: str, field: str, values: Any, owner: Callable[[int], str]) -> None:
    """Raises unless numbers are within the limits of their field.

    Args:
        where: Beginning of the sentence.
        field: Name of the field, of `LIMITS`.
        values: One number per site or link.
        owner: The site or link with an index, for the sentence.
    """
    low, high, unit = LIMITS[field]
    for index in np.flatnonzero((values < low) | (values > high))[:1].tolist():
        require_between(f"{where}{owner(index)}: {field}", values[index], low, high, unit=unit)


def check_text(field: str, value: Any) -> None:
    """Raises unless a value is text that files can hold."""
    if not isinstance(value, str):
        raise InvalidInput(f"{field} is {shown(value)}, but must be a text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{field} is {shown(value)}, but must be text in Unicode.") from None


def texts_of(field: str, value: Any) -> tuple[str, ...]:
    """A sequence of texts as a tuple.

    Args:
        field: What it is, for errors.
        value: The value.

    Raises:
        InvalidInput: If it is no sequence, or holds anything but texts.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInput(f"{field} is {shown(value)}, but must be a sequence of texts.")
    for text in value:
        check_text(f"{field}: one", text)
    return tuple(value)


def check_presets(where: str, presets: Sequence[str], owner: Callable[[int], str]) -> None:
    """Raises unless each name is empty or that of a link preset."""
    known = {""}
    for index, name in enumerate(presets):
        if name in known:
            continue
        try:
            preset(name)
        except InvalidInput as error:
            raise InvalidInput(f"{where}{owner(index)}: {error}") from None
        known.add(name)


def array_of(field: str, value: Any, dtype: type, *shape: int | None) -> NDArray[Any]:
    """A value as an array.

    Args:
        field: What it is, for errors.
        value: The value.
        dtype: np.float64, np.int64 or np.bool_.
        *shape: Shape that it must have, None where any length is allowed.

    Raises:
        InvalidInput: If it has another shape, is of another kind, or is not finite.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unlike lengths
        array = np.empty(0, object)
    wanted = tuple(
        own if each is None else each for own, each in zip(array.shape, shape, strict=False)
    )
    if array.shape != wanted or len(wanted) < len(shape):
        text = ", ".join("any" if each is None else str(each) for each in shape)
        raise InvalidInput(f"{field} is {shown(value)}, but must be an array of shape ({text}).")
    if dtype is np.float64:
        require_between(field, value)
    elif not np.can_cast(array.dtype, dtype, "safe"):
        kind = np.dtype(dtype).name
        raise InvalidInput(f"{field} is {shown(value)}, but must be an array of {kind}.")
    return array.astype(dtype, copy=False)


def check_counts(where: str, sites: int, links: int) -> None:
    """Raises unless there are neither too few nor too many sites and links."""
    require_between(f"{where}number of links", links, 0, MOST_LINKS)
    require_between(f"{where}number of sites", sites, 2, MOST_SITES)


def check_links(where: str, names: Sequence[str], ends: NDArray[np.int64]) -> None:
    """Raises unless links join two sites each, once each, and all sites.

    Args:
        where: Beginning of the sentence.
        names: Names of the sites.
        ends: Sites of the links, (E, 2).
    """
    require_between(f"{where}link_endpoints", ends, 0, len(names) - 1)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(names)))
    for first, second in ends.tolist():
        words = f"{where}{link_words(names[first], names[second])}"
        if first >= second:
            raise InvalidInput(f"{words} must join two sites, smaller index first.")
        if graph.has_edge(first, second):
            raise InvalidInput(f"{words} is there twice, but must be unique.")
        graph.add_edge(first, second)
    lost = set(graph) - nx.node_connected_component(graph, 0)
    if lost:
        raise InvalidInput(
            f"{where}{site_words(names[min(lost)])} cannot be reached from "
            f"{site_words(names[0])}, but links must connect all sites."
        )


def check_units(
    where: str, positions_km: F64, length_km: F64, ends: NDArray[np.int64], owner: Any
) -> None:
    """Raises if positions and lengths fit together so badly that one of them is in metres.

    A link is never shorter than the straight line; drawings and coarse coordinates are allowed to
    break that within reason.

    Args:
        where: Beginning of the sentence.
        positions_km: Positions of the sites in km, (n, 2).
        length_km: Lengths of the links in km, (E,).
        ends: Sites of the links, (E, 2).
        owner: The link with an index, for the sentence.
    """
    line = np.linalg.norm(positions_km[ends[:, 0]] - positions_km[ends[:, 1]], axis=1)
    odd = line > SHORTCUT * length_km + SHORTCUT_KM
    odd |= (line > 0.0) & (length_km > _DETOUR * line + _DETOUR_KM)
    for index in np.flatnonzero(odd)[:1].tolist():
        raise InvalidInput(
            f"{where}{owner(index)}: length_km is {length_km[index]:g}, but x_km and y_km put its "
            f"sites {line[index]:g} km apart: all must be in km, not metres."
        )
