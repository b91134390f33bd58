"""A scene as text, for terminals."""

from __future__ import annotations

import numpy as np

from qkd_gym.rendering.scene import LinkState, Scene
from qkd_gym.rendering.words import (
    ALARM,
    STATE_NAMES,
    WINDOW,
    fault_words,
    literal,
    moment,
    percent,
    quantity,
    request_words,
)

_MOST_ROWS = 60
_HEADER = ("link", "state", "pool", "QBER", "rate", "faults")
_WORDS = ("link", "state", "faults")  # columns that are no numbers


def text_of(scene: Scene) -> str:
    """A line of shares, the last request where steps decide them, and a table of links: of those
    that are active, or of which the operator has an alarm or knows a window."""
    sums, topology = scene.sums, scene.topology
    counts = ", ".join(f"{scene.count(state)} {name}" for state, name in STATE_NAMES.items())
    lines = [
        f"{literal(topology.name, 60)}, {moment(scene)}: "
        f"{percent(sums.delivered_share)} delivered, {percent(sums.blocked_share)} blocked",
        f"links: {counts}",
    ]
    if scene.request:
        lines.append("request " + ", ".join(request_words(scene, scene.request)))
    shown, faults = scene.state != LinkState.INACTIVE, scene.faults
    if faults:
        alarmed, announced = faults.alarmed.sum(), faults.announced.sum()
        lines[1] += f"; {alarmed} with an {ALARM}, {announced} with a {WINDOW}"
        shown = shown | faults.alarmed | faults.announced
    rows: list[tuple[str, ...]] = [_HEADER if faults else _HEADER[:-1]]
    links = np.flatnonzero(shown).tolist()
    for link in links[:_MOST_ROWS]:
        ends = (literal(topology.site_names[site]) for site in topology.link_endpoints[link])
        rows.append(
            (
                " – ".join(ends),
                STATE_NAMES[LinkState(scene.state[link])],
                percent(scene.pool_fill[link], 0),
                percent(scene.qber[link]),
                quantity(scene.rate_bps[link], "bit/s"),
                *([fault_words(faults, link)] if faults else []),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if column in _WORDS else cell.rjust(width)
            for column, cell, width in zip(rows[0], row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    if len(links) > _MOST_ROWS:
        lines.append(f"... and {len(links) - _MOST_ROWS} more")
    return "\n".join(lines)
