"""Inversion of the rate tables, and what errors of links say of sites."""

import numpy as np
import pytest

from qkd_gym.belief.quality import draw_sites, error_noise, error_with, quality_with
from qkd_gym.jit import compiled
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.parameters import kernel_params
from qkd_gym.network.tables import rate_table


@compiled
def _invert(table, threshold, loss_db, most_db, rate, qber):
    return quality_with(table, threshold, loss_db, most_db, rate, qber)


@compiled
def _error(table, loss_db, qber):
    return error_with(table, loss_db, qber)


@compiled
def _noise(table, threshold, loss_db, error, seconds):
    return error_noise(table, threshold, loss_db, error, seconds)


def test_a_rate_and_a_qber_give_loss_and_error_back():
    for preset in ("reference", "spdc"):
        table = rate_table(preset)
        for loss_db, excess_db, error in ((2.0, 0.3, 0.0), (7.0, 2.0, 0.013), (12.0, 0.1, 0.031)):
            rate, _, qber = table.look_up([loss_db + excess_db], error)
            found = _invert(
                table.grid, table.qber_threshold, loss_db, 10.0, rate.item(), qber.item()
            )
            assert found == pytest.approx((excess_db, error), abs=2e-3)


def test_a_qber_gives_the_error_back_also_without_key():
    table = rate_table("reference")
    for error in (0.0, 0.07, 0.2, 0.4999):
        _, _, qber = table.look_up([5.3], error)
        assert _error(table.grid, 5.3, qber.item()) == pytest.approx(error, abs=1e-4)


def test_shot_noise_of_an_error_is_that_of_its_counts():
    """Simulated: errors inferred from binomial counts spread as stated."""
    table, rng = rate_table("reference"), np.random.default_rng(0)
    _, sifted, qber = table.look_up([25.0], 0.02)
    counts = int(sifted.item() * 30.0)
    drawn = rng.binomial(counts, qber.item(), 2000) / counts
    spread = np.std([_error(table.grid, 25.0, each) for each in drawn])
    stated = _noise(table.grid, table.qber_threshold, 25.0, 0.02, 30.0)
    assert spread == pytest.approx(stated, rel=0.15)
    tracked = rate_table("cv-metro(repetition_rate_hz=1e6)")
    assert _noise(tracked.grid, tracked.qber_threshold, 5.0, 0.02, 30.0) == np.inf


def test_sites_are_drawn_from_their_posterior():
    """Beside rejection sampling: sites and drifts from the prior, kept where errors agree."""
    config = NetworkConfig(misalignment=0.01, site_misalignment=0.02, drift_std=0.008)
    p = kernel_params(config, 20)[0]
    ends, error = np.array([[0, 1], [1, 2]]), np.array([0.06, 0.02])
    rng = np.random.default_rng(0)
    prior = np.abs(rng.normal(0.0, 0.02, (2_000_000, 4)))
    shown = (
        0.01 + prior[:, ends].sum(axis=2) + rng.normal(0.0, np.hypot(0.008, 0.001), (2_000_000, 2))
    )
    kept = prior[(np.abs(shown - error) < 0.0015).all(axis=1)]
    drawn = draw_sites(error, ends, p, 4, 4000, rng)
    assert len(kept) > 1000
    np.testing.assert_allclose(drawn.mean(axis=0), kept.mean(axis=0), atol=1.5e-3)
    np.testing.assert_allclose(drawn.std(axis=0), kept.std(axis=0), atol=1.5e-3)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(
        np.corrcoef(kept[:, 0], kept[:, 1])[0, 1], abs=0.12
    )
