"""A scene as text, for terminals."""

from __future__ import annotations

import numpy as np

from qkd_gym.rendering.scene import LinkState, Scene
from qkd_gym.rendering.words import (
    STATE_NAMES,
    literal,
    moment,
    percent,
    quantity,
    request_words,
)

_MOST_ROWS = 60


def text_of(scene: Scene) -> str:
    """A line of shares, the last request where steps decide them, and a table of active links."""
    sums, topology = scene.sums, scene.topology
    counts = ", ".join(f"{scene.count(state)} {name}" for state, name in STATE_NAMES.items())
    lines = [
        f"{literal(topology.name, 60)}, {moment(scene)}: "
        f"{percent(sums.delivered_share)} delivered, {percent(sums.blocked_share)} blocked",
        f"links: {counts}",
    ]
    if scene.request:
        lines.append("request " + ", ".join(request_words(scene, scene.request)))
    rows = [("link", "state", "pool", "QBER", "rate")]
    active = np.flatnonzero(scene.state != LinkState.INACTIVE).tolist()
    for link in active[:_MOST_ROWS]:
        ends = (literal(topology.site_names[site]) for site in topology.link_endpoints[link])
        rows.append(
            (
                " – ".join(ends),
                STATE_NAMES[LinkState(scene.state[link])],
                percent(scene.pool_fill[link], 0),
                percent(scene.qber[link]),
                quantity(scene.rate_bps[link], "bit/s"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if len(active) > _MOST_ROWS:
        lines.append(f"... and {len(active) - _MOST_ROWS} more")
    return "\n".join(lines)
