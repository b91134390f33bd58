"""Colours of pictures and of the report page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INK, MUTED, FAINT = "#1f2328", "#656d76", "#ccd3da"
PAPER, PANEL = "#ffffff", "#f4f6f8"
CALIBRATING, FAILED, PATH = "#a463d6", "#d1242f", "#8cc8ff"
ALARM, WINDOW = INK, MUTED
DELIVERED, BLOCKED = "#1f7a6d", "#d1242f"

# From what is bad, an empty pool or a QBER at its limit, to what is good.
RAMP = ("#f4b740", "#8fc06a", "#2f9e8f", "#1f6d9c", "#20316f")


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


_STEPS = 255
_stops = np.array([_channels(colour) for colour in RAMP])
_at = np.linspace(0.0, _STEPS, len(RAMP))
_TABLE = [
    tuple(int(round(np.interp(step, _at, channel))) for channel in _stops.T)
    for step in range(_STEPS + 1)
]


def ramp(goodness: NDArray[np.float64]) -> list[tuple[int, ...]]:
    """Colours of values from 0, bad, to 1, good; what is not a number counts as 0."""
    steps = np.rint(np.clip(np.nan_to_num(goodness), 0.0, 1.0) * _STEPS).astype(int)
    return [_TABLE[step] for step in steps.tolist()]
