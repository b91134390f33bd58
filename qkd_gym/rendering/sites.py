"""A picture of a network before any episode: its sites, and which links make key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qkd_gym.extras import require_extra
from qkd_gym.topology import Topology

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VIABLE, _TOO_LONG, _INK = "#2a788e", "#d1242f", "#24292f"
_MOST_NAMES, _LONGEST_NAME = 80, 24  # sites that are named, characters of a name


def draw_topology(topology: Topology, viable: NDArray[np.bool_]) -> Figure:
    """A picture of the sites and links of a network.

    Links that make key are solid, the others red and dashed, those through air dotted; relays are
    small. Sites are named where there are at most 80.

    Args:
        topology: The network.
        viable: Whether each link makes key, (E,).

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    require_extra("plot", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    kinds = {
        "makes key": (viable & ~topology.free_space, _VIABLE, "-"),
        "makes key, through air": (viable & topology.free_space, _VIABLE, ":"),
        "makes no key": (~viable, _TOO_LONG, "--"),
    }
    for label, (which, colour, style) in kinds.items():
        ends = topology.positions_km[topology.link_endpoints[which]]
        if len(ends):
            # One line with gaps, for one entry in the legend.
            x, y = np.insert(ends, 2, np.nan, axis=1).reshape(-1, 2).T
            axes.plot(x, y, color=colour, ls=style, lw=1.5, label=f"{label} ({len(ends)})")
    relay = topology.relay
    for which, size, label in ((~relay, 60, "sites"), (relay, 12, "relays")):
        if which.any():
            x, y = topology.positions_km[which].T
            axes.scatter(x, y, s=size, color=_INK, zorder=3, label=f"{label} ({which.sum()})")
    for site in np.flatnonzero(~relay) if (~relay).sum() <= _MOST_NAMES else ():
        axes.annotate(
            _literal(topology.site_names[site]),
            topology.positions_km[site],
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=_INK,
            parse_math=False,
        )
    axes.set_title(_literal(topology.name), color=_INK, parse_math=False)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="km", ylabel="km")
    axes.margins(0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=5, frameon=False, fontsize=8)
    return figure


def _literal(text: str) -> str:
    """A name as it can be drawn: short, on one line, of characters that can be printed."""
    short = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in short
    )
