"""Draws a snapshot with matplotlib, without touching its global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.extras import require_extra
from qkd_gym.rendering.snapshot import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_NAME, _LONGEST_TITLE = 24, 60  # characters
_OFF, _ALARM, _INK = "#c9ced6", "#d1242f", "#24292f"


def draw_network(view: Snapshot) -> Figure:
    """A picture of the network.

    Active links are thick and coloured by the fill of their key pool, dashed while they
    calibrate, and crossed out when they make no key; inactive links are thin, a dot in their
    middle showing key that is still stored. The rim of a site shows its used modules.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    require_extra("plot", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = ScalarMappable(Normalize(0.0, 1.0), cmap="viridis_r")
    _draw_links(axes, view, colours)
    _draw_sites(axes, view)
    figure.colorbar(colours, ax=axes, shrink=0.6, label="stored key / pool capacity")
    active = f"{view.active.sum()} of {len(view.active)} links active"
    name = _literal(view.name, _LONGEST_TITLE)
    title = f"{name}: {active}, {view.elapsed_s / 60.0:.0f} min"
    axes.set_title(title, color=_INK, parse_math=False)
    _legend(axes)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="km", ylabel="km")
    axes.margins(0.08)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def to_rgb_array(figure: Figure) -> NDArray[np.uint8]:
    """The drawn figure as an array (height, width, 3)."""
    canvas: Any = figure.canvas
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _draw_links(axes: Axes, view: Snapshot, colours: Any) -> None:
    ends = view.positions_km[view.link_endpoints]
    for link in np.argsort(view.active, kind="stable"):
        x, y = ends[link].T
        middle = ends[link].mean(axis=0)
        colour = colours.to_rgba(view.pool_fill[link])
        if not view.active[link]:
            axes.plot(x, y, color=_OFF, lw=1.0, zorder=1)
            if view.pool_fill[link] > 0.0:
                axes.plot(*middle, "o", ms=5, color=colour, mec="white", mew=0.6, zorder=2)
            continue
        style = (0, (2, 1.2)) if view.calibrating[link] else "-"
        axes.plot(x, y, color=colour, lw=4.0, ls=style, zorder=3)
        if view.free_space[link]:
            axes.plot(x, y, color="white", lw=1.0, zorder=3)
        if view.no_key[link]:
            axes.plot(*middle, "X", ms=10, color=_ALARM, mec="white", zorder=5)


def _draw_sites(axes: Axes, view: Snapshot) -> None:
    from matplotlib import colormaps

    x, y = view.positions_km.T
    colours = colormaps["tab10"](view.district % 10)
    rims = np.where(view.modules_used >= view.modules, _INK, "white").tolist()
    axes.scatter(x, y, s=190, c=colours, edgecolors=rims, linewidths=2.0, zorder=6)
    inside: Any = {"va": "center", "fontsize": 6.5, "color": "white"}
    above: Any = {"xytext": (0, 11), "textcoords": "offset points", "fontsize": 8, "color": _INK}
    for site, place in enumerate(view.positions_km):
        used = f"{view.modules_used[site]}/{view.modules}"
        name = _literal(view.site_names[site], _LONGEST_NAME)
        for text, style in ((used, inside), (name, above)):
            axes.annotate(text, place, ha="center", zorder=7, parse_math=False, **style)


def _literal(text: str, most: int) -> str:
    """A name of whatever characters as it can be drawn on one line, without being read as maths."""
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    unknown = "\N{REPLACEMENT CHARACTER}"
    return "".join(letter if letter.isprintable() else unknown for letter in short)


def _legend(axes: Axes) -> None:
    from matplotlib.lines import Line2D

    colour = "#2a788e"
    axes.legend(
        handles=[
            Line2D([], [], color=colour, lw=4, label="active"),
            Line2D([], [], color=colour, lw=4, ls=(0, (2, 1.2)), label="calibrating"),
            Line2D([], [], color=_OFF, lw=1, label="inactive"),
            Line2D([], [], color=_OFF, lw=1, marker="o", mfc=colour, label="key still stored"),
            Line2D([], [], color=_ALARM, marker="X", ls="", ms=9, label="no key (outage, alarm)"),
            Line2D([], [], marker="o", ls="", ms=10, mec=_INK, mfc="#8c959f", label="modules full"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.08),
        ncols=6,
        frameon=False,
        fontsize=8,
        handlelength=1.8,
    )
