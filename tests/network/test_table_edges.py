"""Interpolation in a rate table: exact on the grid, linear between, constant beyond its ends."""

import numpy as np
import pytest

from qkd_gym.network.tables import RateTable

LOSS_STEP_DB, MISALIGNMENT_STEP = 0.25, 0.0025


@pytest.fixture
def table():
    """Numbers of a linear function, 5 losses by 4 misalignments; the QBER reaches 0.38."""
    i, j = np.meshgrid(np.arange(5.0), np.arange(4.0), indexing="ij")
    grid = np.stack([1000.0 - 100.0 * i - 10.0 * j, 2000.0 - 200.0 * i, 0.1 * j + 0.02 * i], -1)
    return RateTable(grid.astype(np.float32), qber_threshold=0.15)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 1), (0.5, 0.25), (3.75, 0.1), (1.2, 1.1)])
def test_values_are_bilinear(table, row, column):
    rate, sifted, qber = table.look_up([row * LOSS_STEP_DB], column * MISALIGNMENT_STEP)
    assert rate[0] == pytest.approx(1000.0 - 100.0 * row - 10.0 * column, rel=1e-5)
    assert sifted[0] == pytest.approx(2000.0 - 200.0 * row, rel=1e-5)
    assert qber[0] == pytest.approx(0.1 * column + 0.02 * row, rel=1e-5)


def test_no_key_from_the_threshold_on(table):
    """The QBER along the first row is 0.1 per column."""
    columns = np.array([1.4, 1.49, 1.51, 2.0, 2.9])
    rate, sifted, qber = table.look_up(np.zeros(5), columns * MISALIGNMENT_STEP)
    np.testing.assert_array_equal(rate > 0.0, [True, True, False, False, False])
    np.testing.assert_allclose(sifted, 2000.0)
    np.testing.assert_allclose(qber, 0.1 * columns, rtol=1e-5)


def test_beyond_its_ends_a_table_stays_at_its_last_values(table):
    far, last = (table.look_up([x * LOSS_STEP_DB], 0.0) for x in (40.0, 4.0))
    for beyond, end in zip(far, last, strict=True):
        assert beyond[0] == pytest.approx(end[0], rel=5e-3)
    least = table.look_up([-1.0], -1.0)
    assert [x[0] for x in least] == pytest.approx([1000.0, 2000.0, 0.0])
    wrong = table.look_up([0.0], 0.5)
    assert wrong[2][0] == pytest.approx(0.3, rel=5e-3)
