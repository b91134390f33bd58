"""BB84 against published numbers, an independent package, brute force and its own limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import BB84, Detector, Fiber, available_presets, plob_bound, preset
from qkd_gym.physics.entropy import threshold

ALPHA = 1e-4


def test_reference_setting():
    """Key per pulse of the reference preset, computed independently to seven digits."""
    eta = Fiber().transmittance(np.array([0.0, 7.0, 20.0, 50.0, 100.0]))
    good = [1.027658e-2, 7.427952e-3, 4.069784e-3, 1.016784e-3, 9.793146e-5]
    poor = [9.318671e-4, 6.286711e-4, 3.141499e-4, 6.986558e-5, 4.327614e-6]
    np.testing.assert_allclose(preset("reference").evaluate(eta).key_per_pulse, good, rtol=5e-7)
    budget = preset("reference").evaluate(eta, misalignment=0.06)
    np.testing.assert_allclose(budget.key_per_pulse, poor, rtol=5e-7)


def test_gys():
    """Linear click model in the source, threshold model here: equal to second order."""
    eta = Fiber(attenuation_db_per_km=0.21).transmittance(np.array([0.0, 7, 40, 50, 100, 140]))
    expected = [2.55458e-3, 1.81417e-3, 3.63076e-4, 2.22595e-4, 1.71844e-5, 2.46455e-7]
    np.testing.assert_allclose(preset("gys").evaluate(eta).key_per_pulse, expected, rtol=2e-4)


@pytest.mark.parametrize(
    ("protocol", "attenuation", "distance_km"),
    [
        (preset("gys"), 0.21, 142.014),
        (preset("reference"), 0.2, 175.12),
        (BB84(misalignment=0.06), 0.2, 120.79),
    ],
)
def test_maximum_distance(protocol, attenuation, distance_km):
    fiber = Fiber(attenuation_db_per_km=attenuation)

    def alive(length_km):
        return float(protocol.evaluate(fiber.transmittance(length_km)).key_per_pulse > 0) - 0.5

    assert brentq(alive, 1.0, 300.0, xtol=1e-3) == pytest.approx(distance_km, abs=0.02)


@pytest.mark.parametrize(("f", "expected"), [(1.0, 0.110028), (1.16, 0.098106), (1.22, 0.094235)])
def test_qber_threshold(f, expected):
    assert threshold(f) == pytest.approx(expected, abs=1e-6)
    assert BB84(error_correction_efficiency=f).qber_threshold == threshold(f)


def clicks_one_by_one(protocol, eta, pulses, rng):
    """Every photon of every pulse, for comparison."""
    photons = rng.poisson(protocol.mean_photon_number, pulses)
    arrived = rng.binomial(photons, eta * protocol.detector.efficiency)
    matching = rng.random(pulses) < protocol.sifting
    wrong_photons = rng.binomial(arrived, np.where(matching, protocol.misalignment, 0.5))
    dark = rng.random((2, pulses)) < protocol.detector.dark_count_probability
    wrong = (wrong_photons > 0) | dark[0]
    right = (arrived - wrong_photons > 0) | dark[1]
    coin = rng.random(pulses) < 0.5
    detected = right | wrong
    error = (wrong & ~right) | (wrong & right & coin)
    return np.array(
        [
            (detected & ~matching).sum(),
            (detected & matching & ~error).sum(),
            (detected & matching & error).sum(),
            (~detected).sum(),
        ]
    )


def test_samples_are_distributed_as_a_pulse_by_pulse_simulation():
    """Chi-square of homogeneity; rejects a correct sampler with probability 1e-4."""
    protocol = BB84(
        detector=Detector(efficiency=0.5, dark_count_probability=0.02),
        mean_photon_number=0.8,
        misalignment=0.1,
        sifting=0.5,
    )
    rng = np.random.default_rng(0)
    pulses = 1_000_000
    slow = clicks_one_by_one(protocol, 0.6, pulses, rng)
    counts = protocol.sample(0.6, pulses, rng)
    fast = np.array(
        [
            counts.detected - counts.sifted,
            counts.sifted - counts.errors,
            counts.errors,
            counts.sent - counts.detected,
        ]
    )
    # Unmatched bases see light split in half, which leaves the detection probability
    # the same only to first order, so that cell is compared within its own tolerance.
    assert stats.chi2_contingency(np.stack([slow[1:3], fast[1:3]])).pvalue > ALPHA
    expected = protocol.evaluate(0.6)
    assert abs(counts.errors / counts.sifted - expected.qber) < 5 * np.sqrt(0.25 / counts.sifted)


def test_sample_cost_does_not_grow_with_pulses():
    counts = BB84().sample(np.full(1000, 0.1), 10**12, np.random.default_rng(0))
    assert counts.sent.dtype == np.int64
    assert (counts.errors <= counts.sifted).all()
    assert (counts.sifted <= counts.detected).all()
    assert (counts.detected <= counts.sent).all()


@given(
    loss_db=st.floats(0, 80),
    misalignment=st.floats(0, 0.5),
    dark=st.floats(0, 1e-3),
    mu=st.floats(1e-3, 2.0),
    f=st.floats(1.0, 2.0),
)
def test_limits(loss_db, misalignment, dark, mu, f):
    """Key is never negative, never above PLOB, and never from a QBER above the threshold."""
    protocol = BB84(
        detector=Detector(0.3, dark),
        mean_photon_number=mu,
        misalignment=misalignment,
        error_correction_efficiency=f,
    )
    eta = 10 ** (-loss_db / 10)
    budget = protocol.evaluate(eta)
    assert 0.0 <= budget.key_per_pulse <= plob_bound(eta * 0.3)
    assert 0.0 <= budget.qber <= 0.5 + 1e-12
    if budget.qber > threshold(1.0):
        assert budget.key_per_pulse == 0.0
    worse = [
        protocol.evaluate(eta * 0.9),
        protocol.evaluate(eta, misalignment=min(0.5, misalignment + 0.01)),
    ]
    for other in worse:
        assert other.key_per_pulse <= budget.key_per_pulse * (1 + 1e-9) + 1e-18


def test_plob_values():
    eta = np.array([1e-4, 0.01, 0.1, 0.5])
    expected = [1.442768e-4, 0.01449957, 0.1520031, 1.0]
    np.testing.assert_allclose(plob_bound(eta), expected, rtol=1e-6)
    assert plob_bound(1e-18) == pytest.approx(1e-18 / np.log(2))


def test_evaluate_broadcasts():
    budget = BB84().evaluate(np.full((5, 1), 0.1), misalignment=np.linspace(0, 0.1, 7)[None])
    assert budget.qber.shape == budget.key_rate_bps.shape == (5, 7)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Detector(efficiency=1.5), r"efficiency is 1.5, but must be in \(0, 1\]"),
        (lambda: Detector(dark_count_probability=-1), "dark_count_probability is -1"),
        (lambda: BB84(decoy="infinit"), "Did you mean 'infinite'"),
        (lambda: BB84(misalignment=0.6), r"misalignment is 0.6, but must be in \[0, 0.5\]"),
        (lambda: BB84().evaluate(1.2), "transmittance is 1.2"),
        (lambda: Fiber().transmittance([1.0, -2.0]), "length_km is -2, but must be at least 0 km"),
        (lambda: preset("refrence"), "Did you mean 'reference'"),
    ],
)
def test_bad_parameters(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()


def test_presets_make_key():
    for name in available_presets():
        assert preset(name).evaluate(0.5).key_rate_bps > 0
