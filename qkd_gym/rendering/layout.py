"""Where sites and their names go on a picture: no name is cut, and none lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

# From a site's middle to that of its name, in halves of the name's width and height and in gaps.
_SIDES = np.array([(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)], float)
_GAPS = (1.2, 2.5)  # between the two, in radii of a site
_SAMPLES = 24  # points of a link that a name should not hide
_MOST_POINTS = 20_000


class Box(NamedTuple):
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


def scale_km(most_km: float) -> float:
    """The longest length of 1, 2 or 5 times a power of ten that is no longer than another one."""
    power = 10.0 ** np.floor(np.log10(most_km))
    return float(power * max(step for step in (1, 2, 5) if step * power <= most_km))


def place_sites(positions_km: F64, area: Box) -> tuple[F64, float]:
    """Puts sites to scale, north up, into the middle of an area.

    Args:
        positions_km: East and north, (n, 2).
        area: Where they go.

    Returns:
        Their pixels, (n, 2), and the pixels of a kilometre, 0 if all are in one place.
    """
    low, high = positions_km.min(axis=0), positions_km.max(axis=0)
    room = np.array([area.right - area.left, area.bottom - area.top])
    span = high - low
    # Sites in a line, or in one place, need room in one direction, or in none.
    per_km = min((room[span > 0.0] / span[span > 0.0]).tolist(), default=0.0)
    middle = np.array([area.left + area.right, area.top + area.bottom]) / 2.0
    return middle + (positions_km - (low + high) / 2.0) * per_km * np.array([1.0, -1.0]), per_km


def site_radius(pixels: F64, least: float, most: float) -> float:
    """A radius with which most sites stay apart from their nearest neighbours.

    Args:
        pixels: The sites, (n, 2).
        least: Smallest radius.
        most: Largest radius.
    """
    if len(pixels) < 2:
        return most
    apart = np.linalg.norm(pixels[:, None] - pixels[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float(np.clip(0.4 * np.median(apart.min(axis=1)), least, most))


def place_names(
    sizes: Sequence[tuple[float, float]],
    pixels: F64,
    link_endpoints: NDArray[np.int64],
    radius: float,
    area: Box,
    occupied: Box,
) -> list[Box | None]:
    """Rectangles for the names of sites: inside the area, apart from sites and from each other.

    The sites with the most links choose first, each the place that hides the least of the links.

    Args:
        sizes: Width and height of each name.
        pixels: The sites, (n, 2).
        link_endpoints: Sites of each link, (e, 2).
        radius: Of a site.
        area: Where names may be.
        occupied: A part of it where none may be.

    Returns:
        One rectangle per site; None where there is no place for its name.
    """
    taken = np.vstack([np.concatenate([pixels - radius, pixels + radius], axis=1), occupied])
    points = _points_of_links(pixels, link_endpoints)
    degree = np.bincount(link_endpoints.ravel(), minlength=len(pixels))
    boxes: list[Box | None] = [None] * len(pixels)
    for site in np.argsort(-degree, kind="stable").tolist():
        choices = _choices(np.array(sizes[site]), pixels[site], radius)
        low, high = choices[:, :2], choices[:, 2:]
        fits = np.all(low >= (area.left, area.top), axis=1)
        fits &= np.all(high <= (area.right, area.bottom), axis=1)
        before, behind = high[:, None] <= taken[:, :2], low[:, None] >= taken[:, 2:]
        apart = np.all(np.any(before | behind, axis=2), axis=1)
        possible = choices[fits & apart]
        if not len(possible):
            continue
        inside = (points >= possible[:, None, :2]) & (points <= possible[:, None, 2:])
        chosen = possible[inside.all(axis=2).sum(axis=1).argmin()]
        boxes[site] = Box(*chosen.tolist())
        taken = np.vstack([taken, chosen])
    return boxes


def _choices(size: F64, middle: F64, radius: float) -> F64:
    """Rectangles around a site, the preferred first, (k, 4)."""
    centres = middle + np.concatenate([_SIDES * (size / 2.0 + gap * radius) for gap in _GAPS])
    return np.concatenate([centres - size / 2.0, centres + size / 2.0], axis=1)


def _points_of_links(pixels: F64, link_endpoints: NDArray[np.int64]) -> F64:
    """Points along the links, (k, 2); none where they are too many to look at."""
    if len(link_endpoints) * _SAMPLES > _MOST_POINTS:
        return np.empty((0, 2))
    along = np.linspace(0.0, 1.0, _SAMPLES)[:, None, None]
    first, second = pixels[link_endpoints[:, 0]], pixels[link_endpoints[:, 1]]
    points: F64 = (first + along * (second - first)).reshape(-1, 2)
    return points
