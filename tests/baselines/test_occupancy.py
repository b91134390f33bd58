"""The compiled displacement against its definition."""

import numpy as np
import pytest

from qkd_gym.baselines.occupancy import Occupancy, displaced, released

SITES, LINKS, BATCH = 7, 15, 40


def first_to_go(reluctance, active, full, ends, site):
    """By definition: sorted by reluctance, then number."""
    here = [e for e in range(len(ends)) if active[e] and site in ends[e]]
    if not full[site] or not here:
        return len(ends)
    return min(here, key=lambda e: (reluctance[e], e))


@pytest.mark.parametrize("seed", range(3))
def test_compiled_displacement_is_the_definition(seed):
    rng = np.random.default_rng(seed)
    # Few different values, so that there are ties.
    reluctance = rng.integers(0, 4, (BATCH, LINKS)) / 4
    active, full = rng.random((BATCH, LINKS)) < 0.4, rng.random((BATCH, SITES)) < 0.6
    ends = np.stack([rng.permutation(SITES)[:2] for _ in range(BATCH * LINKS)])
    ends = ends.reshape(BATCH, LINKS, 2)
    price = np.where(rng.random((BATCH, LINKS)) < 0.1, np.inf, rng.random((BATCH, LINKS)))

    occupancy = Occupancy(reluctance, active, full, ends)
    goes = released(*occupancy)
    expected = [
        [
            [first_to_go(reluctance[b], active[b], full[b], ends[b], site) for site in ends[b, e]]
            for e in range(LINKS)
        ]
        for b in range(BATCH)
    ]
    np.testing.assert_array_equal(goes, expected)
    assert 0.2 < np.mean(goes == LINKS) < 0.8

    padded = np.pad(price, ((0, 0), (0, 1)))
    total = padded[np.arange(BATCH)[:, None, None], goes].sum(axis=-1)
    np.testing.assert_array_equal(displaced(*occupancy, price), total)
