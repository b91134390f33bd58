"""A network laid out on a plane: its sites, their names and a scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.rendering import colours
from qkd_gym.rendering.layout import Box, place_names, place_sites, scale_km, site_radius
from qkd_gym.rendering.pen import Text, letters, text_size
from qkd_gym.rendering.words import literal
from qkd_gym.topology import Topology

# Lengths of a picture of 600 x 400 pixels.
_MARGIN, _FOOT, _NAME_SIZE, _CORNER = 16.0, 24.0, 10, 8.0
_LEAST_RADIUS, _MOST_RADIUS = 2.5, 6.5
HALO = 2  # pixels of the bright rim of a name


class Places(NamedTuple):
    """Where a network of n sites is on a plane, in pixels; y grows downwards.

    Attributes:
        pixels: The sites, (n, 2).
        radius: Of a site.
        names: Name of each site; None where there is no place for it.
        scale: Length of the scale in words, above its line.
        scale_line: The line, (2, 2).
    """

    pixels: NDArray[np.float64]
    radius: float
    names: list[Text | None]
    scale: Text
    scale_line: NDArray[np.float64]


def lay_out(topology: Topology, width: float, height: float, unit: float) -> Places:
    """Lays a network out.

    Args:
        topology: The network.
        width: Of the plane, whose upper left corner is the origin.
        height: Of the plane.
        unit: Its pixels per pixel of a picture of 600 x 400.

    Raises:
        MissingExtra: If Pillow or matplotlib is not installed.
    """
    margin, foot = _MARGIN * unit, _FOOT * unit
    inner = Box(margin, margin, width - margin, height - foot)
    pixels, per_km = place_sites(topology.positions_km, inner)
    radius = site_radius(pixels, _LEAST_RADIUS * unit, _MOST_RADIUS * unit)
    size = max(1, round(_NAME_SIZE * unit))
    left, bottom = _CORNER * unit, height - _CORNER * unit
    length = scale_km(0.25 * width / per_km) if per_km else 0.0
    line = np.array([[left, bottom], [left + length * per_km, bottom]])
    words = f"{length:g} km"
    wide, high = text_size(words, letters(size))
    box = Box(left - HALO, bottom - high - 3.0 * unit, left + wide + HALO, bottom)
    names = [literal(name) for name in topology.site_names]
    sizes = [text_size(name, letters(size)) for name in names]
    with_rims = [(wide + 2 * HALO, high) for wide, high in sizes]
    whole = Box(0.0, 0.0, width, height)
    boxes = place_names(with_rims, pixels, topology.link_endpoints, radius, whole, box)
    placed = [box and Text(name, box, size) for name, box in zip(names, boxes, strict=True)]
    return Places(pixels, radius, placed, Text(words, box, size, colours.MUTED), line)
