"""BB84 against published and independently computed values, and its own limits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import BB84, Detector, Fiber, available_presets, plob_bound, preset
from qkd_gym.physics.entropy import six_state_threshold, threshold
from qkd_gym.physics.optimum import efficient_sifting, optimal_mean_photon_number

GYS_FIBER = Fiber(attenuation_db_per_km=0.21)


def gys(**changes):
    return dataclasses.replace(preset("gys"), **changes)


def reach_km(protocol, low=5.0, high=250.0):
    def alive(km):
        return 1.0 if protocol.evaluate(GYS_FIBER.transmittance(km)).key_per_pulse > 0 else -1.0

    return brentq(alive, low, high, xtol=1e-4)


def test_gys_rates():
    """Linear click model in the source, threshold model here: equal to second order."""
    km = np.array([0.0, 7.0, 40.0, 50.0, 100.0, 140.0])
    expected = [2.55458e-3, 1.81417e-3, 3.63076e-4, 2.22595e-4, 1.71844e-5, 2.46455e-7]
    rate = gys().evaluate(GYS_FIBER.transmittance(km)).key_per_pulse
    np.testing.assert_allclose(rate, expected, rtol=2e-4)


@pytest.mark.parametrize(
    ("misalignment", "expected", "reach"),
    [
        (0.015, [1.027658e-2, 7.427952e-3, 4.069784e-3, 1.016784e-3, 9.793146e-5], 175.12),
        (0.06, [9.318671e-4, 6.286711e-4, 3.141499e-4, 6.986558e-5, 4.327614e-6], 120.79),
    ],
)
def test_reference_rates(misalignment, expected, reach):
    protocol = dataclasses.replace(preset("reference"), misalignment=misalignment)
    eta = Fiber().transmittance([0.0, 7.0, 20.0, 50.0, 100.0])
    np.testing.assert_allclose(protocol.evaluate(eta).key_per_pulse, expected, rtol=5e-7)
    shifted = preset("reference").evaluate(eta, misalignment=misalignment)
    np.testing.assert_array_equal(shifted.key_per_pulse, protocol.evaluate(eta).key_per_pulse)
    assert protocol.evaluate(Fiber().transmittance(reach - 0.01)).key_per_pulse > 0
    assert protocol.evaluate(Fiber().transmittance(reach + 0.01)).key_per_pulse == 0


@pytest.mark.parametrize(
    ("changes", "published", "within"),
    [
        ({}, 142.014, 0.02),
        ({"decoy": "vacuum+weak"}, 140.55, 0.2),
        ({"mean_photon_number": "optimal"}, 142.2, 0.2),
    ],
)
def test_gys_reach(changes, published, within):
    assert reach_km(gys(**changes)) == pytest.approx(published, abs=within)


def test_gys_reach_without_decoys():
    def unclamped(km):
        eta = float(GYS_FIBER.transmittance(km))
        protocol = gys(decoy="none", mean_photon_number=0.045 * eta)
        return 1.0 if protocol.evaluate(eta).key_per_pulse > 0 else -1.0

    assert brentq(unclamped, 5.0, 60.0, xtol=1e-4) == pytest.approx(32.06, abs=0.05)
    best = gys(decoy="none", mean_photon_number="optimal")
    assert reach_km(best) == pytest.approx(40.21, abs=0.05)
    assert gys(decoy="none").evaluate(GYS_FIBER.transmittance(50.0)).key_per_pulse == 0


def test_weak_decoy_deviation():
    eta = GYS_FIBER.transmittance(40.0)
    exact = gys().evaluate(eta)
    bound = gys(decoy="vacuum+weak", decoy_photon_number=0.12).evaluate(eta)
    deficit = 1 - bound.single_photon_yield / exact.single_photon_yield
    excess = bound.single_photon_qber / exact.single_photon_qber - 1
    assert deficit == pytest.approx(0.03510, abs=5e-4)
    assert excess == pytest.approx(0.16779, abs=5e-4)


def test_optimal_photon_number():
    assert optimal_mean_photon_number(0.033, 1.22) == pytest.approx(0.47892, abs=5e-6)
    assert optimal_mean_photon_number(0.033, 1.0) == pytest.approx(0.54412, abs=5e-6)
    protocol = BB84(
        detector=Detector(0.1, 0.0), mean_photon_number="optimal", misalignment=[0.01, 0.03, 0.06]
    )
    closed = optimal_mean_photon_number([0.01, 0.03, 0.06], 1.16)
    np.testing.assert_allclose(protocol.photon_number(1e-6), closed, rtol=1e-4)


def test_thresholds():
    np.testing.assert_allclose(
        threshold([1.0, 1.16, 1.22]), [0.110028, 0.098106, 0.094235], atol=1e-6
    )
    assert BB84(error_correction_efficiency=1.22).qber_threshold == threshold(1.22)
    assert six_state_threshold() == pytest.approx(0.126193, abs=1e-6)


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


def test_broadcasts_over_loss_and_misalignment():
    eta, error = np.array([[1.0], [0.1]]), np.array([0.0, 0.015, 0.25, 0.5])
    grid = BB84().evaluate(eta, misalignment=error)
    assert grid.key_rate_bps.shape == grid.qber.shape == (2, 4)
    single = BB84(misalignment=0.015).evaluate(0.1)
    assert grid.key_rate_bps[1, 1] == single.key_rate_bps
    assert (grid.key_per_pulse[:, 2:] == 0).all()


def test_digits_survive_vanishing_light():
    dark = BB84(detector=Detector(1.0, 0.0), misalignment=0.01).evaluate(1e-30)
    assert dark.gain == pytest.approx(0.5e-30, rel=1e-12)
    assert dark.qber == pytest.approx(0.01, rel=1e-12)


def test_dark_counts_are_not_attenuated_and_count_twice():
    budget = BB84(detector=Detector(0.1, 1e-6)).evaluate(0.0)
    assert budget.gain == pytest.approx(2e-6, rel=1e-5)
    assert budget.qber == pytest.approx(0.5)


def test_efficient_basis_choice():
    np.testing.assert_allclose(efficient_sifting([0.5, 0.9]), [0.25, 0.81])
    np.testing.assert_allclose(efficient_sifting([0.5, 0.9], both_bases=True), [0.5, 0.82])
    ratio = BB84(sifting=0.81).evaluate(0.1).key_per_pulse / BB84().evaluate(0.1).key_per_pulse
    assert ratio == pytest.approx(0.81 / 0.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"misalignment": 0.6}, ("misalignment", "0.6", "[0, 0.5]")),
        ({"decoy": "vacuum"}, ("decoy", "'vacuum'", "Did you mean 'vacuum+weak'")),
        ({"repetition_rate_hz": -1.0}, ("repetition_rate_hz", "-1", "[0, 1e+12] Hz")),
        ({"secrecy": 0.0}, ("secrecy", "0", "[1e-100, 1)")),
        ({"mean_photon_number": -1.0}, ("mean_photon_number", "-1", "[1e-09, 100]")),
        ({"mean_photon_number": "best"}, ("mean_photon_number", "optimal")),
        ({"decoy": "one", "decoy_photon_number": 0.6}, ("decoy_photon_number", "0.6", "0.5")),
        ({"sifting": 2.0}, ("sifting", "2", "[1e-09, 1]")),
        ({"error_correction_efficiency": 0.9}, ("error_correction_efficiency", "0.9", "1")),
    ],
)
def test_bad_parameters_are_named(arguments, words):
    with pytest.raises(InvalidInput) as caught:
        BB84(**arguments)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Detector(efficiency=1.5), r"efficiency is 1.5, but must be in \[1e-06, 1\]"),
        (lambda: Detector(dark_count_probability=-1), "dark_count_probability is -1"),
        (lambda: BB84().evaluate([0.1, 1.5]), "transmittance is 1.5"),
        (lambda: preset("refrence"), "Did you mean 'reference'"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()


def test_presets_make_key():
    for name in available_presets():
        assert preset(name).evaluate(0.5).key_rate_bps > 0
