"""Sampled counts have the distribution of a pulse-by-pulse simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import B92, BB84, BBM92, CVQKD, E91, MDI, Detector
from qkd_gym.physics.sampling import sample_dead_time

# Each test rejects a correct sampler with this probability; the seeds are fixed.
REJECT = 1e-4


def pulse_by_pulse(protocol, eta, pulses, rng):
    """Literal BB84: photons, losses, basis choices, dark counts and coins, one pulse at a time."""
    photons = rng.poisson(protocol.mean_photon_number, pulses)
    arrived = rng.binomial(photons, eta * protocol.detector.efficiency)
    same_basis = rng.random(pulses) < protocol.sifting
    to_wrong = rng.binomial(arrived, np.where(same_basis, protocol.misalignment, 0.5))
    dark = rng.random((2, pulses)) < protocol.detector.dark_count_probability
    wrong, right = (to_wrong > 0) | dark[0], (arrived - to_wrong > 0) | dark[1]
    error = np.where(wrong & right, rng.random(pulses) < 0.5, wrong)
    clicked = wrong | right
    sifted = clicked & same_basis
    return clicked.sum(), sifted.sum(), (sifted & error).sum()


def cells(detected, sifted, errors, sent):
    return np.array([sent - detected, detected - sifted, sifted - errors, errors])


def test_counts_match_a_pulse_by_pulse_simulation():
    protocol = BB84(
        detector=Detector(0.5, 0.01), mean_photon_number=0.9, misalignment=0.08, sifting=0.6
    )
    rng, pulses = np.random.default_rng(11), 2_000_000
    literal = cells(*pulse_by_pulse(protocol, 0.7, pulses, rng), pulses)
    fast = protocol.sample(0.7, pulses, rng)
    drawn = cells(fast.detected, fast.sifted, fast.errors, fast.sent)
    assert stats.chi2_contingency([literal, drawn]).pvalue > REJECT


def test_counts_scatter_like_single_pulses():
    """Variance and covariance over many intervals, which rounded expectations would miss."""
    protocol, rng, runs, pulses = BB84(misalignment=0.05), np.random.default_rng(12), 4000, 10_000
    budget = protocol.evaluate(1.0)
    counts = protocol.sample(np.ones(runs), pulses, rng)
    p = float(budget.gain) * 0.5
    dispersion = counts.sifted.var(ddof=1) * (runs - 1) / (pulses * p * (1 - p))
    assert REJECT / 2 < stats.chi2.sf(dispersion, runs - 1) < 1 - REJECT / 2
    z = (counts.sifted.mean() - pulses * p) / np.sqrt(pulses * p * (1 - p) / runs)
    assert abs(z) < stats.norm.isf(REJECT / 2)
    assert np.corrcoef(counts.sifted, counts.errors)[0, 1] > 0.1


@pytest.mark.parametrize("protocol", [BB84(), BBM92(), E91(), B92(), MDI()])
def test_every_protocol_samples_its_budget(protocol):
    rng, pulses = np.random.default_rng(13), 10**11
    budget = protocol.evaluate(0.9, misalignment=0.01)
    counts = protocol.sample(0.9, pulses, rng, misalignment=0.01)
    share = float(protocol.sifted_per_detection)
    assert stats.binomtest(int(counts.detected), pulses, float(budget.gain)).pvalue > REJECT
    if share < 1.0:
        assert stats.binomtest(int(counts.sifted), int(counts.detected), share).pvalue > REJECT
    test = stats.binomtest(int(counts.errors), int(counts.sifted), float(budget.qber))
    assert test.pvalue > REJECT


def test_cv_sample_estimates_the_excess_noise():
    counts = CVQKD(excess_noise=0.04).sample(np.full(500, 0.5), 10**8, np.random.default_rng(14))
    estimate = 8 * counts.errors / counts.sifted
    # The variance of a sample variance: 2 / m of its square.
    spread = np.sqrt(2 / 0.5e8) * (1.05 + 0.3 * 0.04) / 0.3
    assert abs(estimate.mean() - 0.04) < 4 * spread / np.sqrt(500)
    assert estimate.std() == pytest.approx(spread, rel=0.2)


def literal_dead_time(gates, p, dead, rng):
    clicks, live_from = 0, 0
    for gate in np.flatnonzero(rng.random(gates) < p):
        if gate >= live_from:
            clicks, live_from = clicks + 1, gate + dead + 1
    return clicks


def test_dead_time_matches_a_gate_by_gate_simulation():
    rng = np.random.default_rng(15)
    gates, p, dead, runs = 2000, 0.05, 37, 3000
    literal = [literal_dead_time(gates, p, dead, rng) for _ in range(runs)]
    drawn = sample_dead_time(np.full(runs, gates), p, dead, rng)
    low, high = int(np.quantile(literal, 0.02)), int(np.quantile(literal, 0.98))
    bins = np.arange(low, high + 2)
    table = [np.bincount(np.clip(x, low, high) - low, minlength=bins.size - 1) for x in
             (np.asarray(literal), drawn)]  # fmt: skip
    assert stats.chi2_contingency(table).pvalue > REJECT


def test_dead_time_mean_and_variance():
    rng, runs = np.random.default_rng(16), 20_000
    counts = sample_dead_time(np.full(runs, 1_000_000), 0.01, 200, rng)
    assert counts.mean() == pytest.approx(3333.3, abs=1.0)
    assert counts.var() == pytest.approx(366.7, rel=0.05)
    full = sample_dead_time(np.full(3, 1000), 1.0, 9, rng)
    assert (full == 100).all()


def test_dead_time_saturates_a_fast_link():
    detector = Detector(1.0, 0.0, dead_time_s=10e-6)
    fast = BB84(detector=detector, repetition_rate_hz=1e9, mean_photon_number=0.03625)
    budget = fast.evaluate(1.0)
    assert budget.gain * 1e9 == pytest.approx(99.7e3, rel=1e-3)
    counts = fast.sample(1.0, 10**9, np.random.default_rng(17))
    assert counts.detected == pytest.approx(99.7e3, rel=1e-2)
    assert budget.qber == pytest.approx(
        float(BB84(detector=Detector(1.0, 0.0), mean_photon_number=0.03625).evaluate(1.0).qber)
    )


def test_afterpulses_raise_gain_and_error():
    clean = BB84(detector=Detector(0.1, 6e-7), misalignment=0.005).evaluate(0.1)
    noisy = BB84(
        detector=Detector(0.1, 6e-7, afterpulse_probability=0.04), misalignment=0.005
    ).evaluate(0.1)
    assert noisy.gain == pytest.approx(1.04 * clean.gain)
    assert noisy.qber * noisy.gain == pytest.approx(clean.qber * clean.gain + 0.02 * clean.gain)


def test_many_links_in_one_call():
    counts = BB84().sample(np.geomspace(1e-4, 1.0, 10_000), 10**9, np.random.default_rng(18))
    assert counts.sent.dtype == counts.errors.dtype == np.int64
    assert counts.errors.shape == (10_000,)
    assert (counts.errors <= counts.sifted).all()
    assert (counts.sifted <= counts.detected).all()
    assert (counts.detected <= counts.sent).all()


@pytest.mark.parametrize("pulses", [-1, 1.5, 1e17, "many"])
def test_bad_pulse_numbers_are_named(pulses):
    with pytest.raises(InvalidInput, match="pulses is"):
        BB84().sample(0.5, pulses, np.random.default_rng(0))
