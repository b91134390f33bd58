"""Places on a picture: to scale, inside, and apart."""

import numpy as np
import pytest

from qkd_gym.rendering.layout import Box, place_names, place_sites, scale_km, site_radius

AREA = Box(10.0, 20.0, 410.0, 320.0)
NOWHERE = Box(0.0, 0.0, 0.0, 0.0)


def test_sites_are_to_scale_and_north_is_up():
    positions = np.array([[0.0, 0.0], [40.0, 0.0], [0.0, 10.0]])
    pixels, per_km = place_sites(positions, AREA)
    assert per_km == 10.0
    np.testing.assert_allclose(pixels, [[10.0, 220.0], [410.0, 220.0], [10.0, 120.0]])


@pytest.mark.parametrize(
    ("positions", "per_km"), [([[3.0, 4.0]] * 2, 0.0), ([[3.0, 0.0], [3.0, 6.0]], 50.0)]
)
def test_sites_in_one_place_or_in_a_line_lie_in_the_middle(positions, per_km):
    pixels, found = place_sites(np.array(positions), AREA)
    assert found == per_km
    np.testing.assert_allclose(pixels.mean(axis=0), [210.0, 170.0])


@pytest.mark.parametrize(
    ("most", "length"), [(1.0, 1.0), (1.99, 1.0), (4.9, 2.0), (0.07, 0.05), (99.0, 50.0)]
)
def test_scales_are_round(most, length):
    assert scale_km(most) == pytest.approx(length)


def test_sites_near_each_other_are_small():
    apart = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    assert site_radius(apart, 1.0, 8.0) == 4.0
    assert site_radius(10.0 * apart, 1.0, 8.0) == 8.0
    assert site_radius(0.1 * apart, 1.0, 8.0) == 1.0
    assert site_radius(apart[:1], 1.0, 8.0) == 8.0


def overlap(one, other):
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return width > 0.0 and height > 0.0


@pytest.mark.parametrize("seed", range(5))
def test_names_are_inside_and_apart_from_each_other_and_from_sites(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.uniform((10.0, 20.0), (410.0, 320.0), (60, 2))
    ends = np.sort(np.array([rng.choice(60, 2, replace=False) for _ in range(100)]), axis=1)
    sizes = [(width, 12.0) for width in rng.uniform(10.0, 150.0, 60)]
    occupied = Box(100.0, 100.0, 200.0, 200.0)
    boxes = place_names(sizes, pixels, ends, 5.0, AREA, occupied)
    placed = [box for box in boxes if box]
    assert 5 < len(placed) < 60
    sites = [Box(x - 5.0, y - 5.0, x + 5.0, y + 5.0) for x, y in pixels]
    for number, box in enumerate(placed):
        assert box.left >= 10.0
        assert box.top >= 20.0
        assert box.right <= 410.0
        assert box.bottom <= 320.0
        for other in [*placed[:number], *sites, occupied]:
            assert not overlap(box, other)
    for size, box in zip(sizes, boxes, strict=True):
        if box:
            assert (box.right - box.left, box.bottom - box.top) == pytest.approx(size)


def test_a_name_keeps_off_the_links_of_its_site():
    pixels = np.array([[200.0, 150.0], [400.0, 150.0]])
    (name, _) = place_names([(60.0, 12.0)] * 2, pixels, np.array([[0, 1]]), 5.0, AREA, NOWHERE)
    assert name.right < 200.0


def test_a_name_with_no_place_is_left_out():
    boxes = place_names(
        [(500.0, 12.0)], np.array([[200.0, 150.0]]), np.empty((0, 2), int), 5.0, AREA, NOWHERE
    )
    assert boxes == [None]
