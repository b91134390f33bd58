"""Entanglement-based, B92, continuous-variable and relay protocols against published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import B92, BB84, BBM92, CVQKD, E91, MDI, Detector, Fiber, plob_bound, preset
from qkd_gym.physics.protocols.b92 import b92_filter
from qkd_gym.physics.protocols.e91 import chsh_value

MFL = {
    "detector": Detector.from_background(0.145, 6.02e-6),
    "misalignment": 0.015,
    "error_correction_efficiency": 1.22,
}


def test_bbm92_of_ma_fung_lo():
    budget = BBM92(brightness=0.05, **MFL).evaluate([1.0, 1e-2])
    np.testing.assert_allclose(budget.gain, [2.323329e-3, 2.409596e-5], rtol=1e-6)
    np.testing.assert_allclose(budget.qber, [0.0517916, 0.0569337], rtol=1e-5)
    best = BBM92(brightness="optimal", **MFL).evaluate([1.0, 1e-2, 1e-4])
    expected = [4.114495e-4, 3.620901e-6, 3.287450e-8]
    # The tabulated optima come from a search that stopped a little early.
    np.testing.assert_allclose(best.key_per_pulse, expected, rtol=1e-4)
    assert (best.key_per_pulse >= expected).all()


def test_bbm92_keeps_its_digits_in_long_arms():
    """The printed gain in exact arithmetic, where doubles would lose half of their digits."""
    from fractions import Fraction as F

    dark = F(1, 2**20)
    a = b = F(1, 2**14)
    brightness = F(1, 16)
    y0 = 1 - (1 - dark) ** 2
    exact = (
        1
        - 2 * (1 - y0) / (1 + a * brightness) ** 2
        + (1 - y0) ** 2 / (1 + (a + b - a * b) * brightness) ** 2
    )
    protocol = BBM92(detector=Detector(1.0, float(dark)), brightness=float(brightness))
    assert protocol.evaluate(float(a * b)).gain == pytest.approx(float(exact), rel=1e-14)


def test_bbm92_source_position():
    middle, end = (BBM92(source_position=x).evaluate(1e-3).key_per_pulse for x in (0.5, 0.0))
    assert middle > end > 0


def test_e91():
    assert E91(analysis="device-independent", error_correction_efficiency=1.0).qber_threshold == (
        pytest.approx(0.07149, abs=1e-5)
    )
    assert brentq(lambda e: chsh_value(e) - 2.0, 0.0, 0.5) == pytest.approx(0.1464466, abs=1e-7)
    ratio = E91(**MFL).evaluate(0.1).key_per_pulse / BBM92(**MFL).evaluate(0.1).key_per_pulse
    assert ratio == pytest.approx((2 / 9) / (1 / 2))
    # A full intercept-resend attack leaves S = sqrt(2); no violation, no key.
    assert chsh_value(0.25) == pytest.approx(np.sqrt(2.0))
    assert E91().chsh(0.5, misalignment=0.25) < 2.0
    assert E91().evaluate(0.5, misalignment=0.25).key_per_pulse == 0.0


@pytest.mark.parametrize(("loss", "threshold"), [(0.0, 0.03379), (0.2, 0.02313), (0.5, 0.01215)])
def test_b92_thresholds(loss, threshold):
    def best(p):
        protocol = B92(
            detector=Detector(1.0, 0.0),
            misalignment=2.0 * p / 3.0,
            error_correction_efficiency=1.0,
        )
        return 1.0 if protocol.evaluate(1.0 - loss).key_per_pulse > 1e-12 else -1.0

    assert brentq(best, 1e-3, 0.1, xtol=1e-6) == pytest.approx(threshold, abs=3e-5)


def test_b92_without_noise_has_a_closed_form():
    overlap, loss = np.array([0.5, 0.8, 0.9]), 0.3
    filtered = b92_filter(1.0 - loss, 0.0, overlap)
    closed = (1 - overlap) / (2 * overlap) * loss / (1 - loss)
    np.testing.assert_allclose(filtered.phase_error / filtered.conclusive, closed, rtol=1e-6)
    assert B92(detector=Detector(1.0, 0.0), overlap=0.3).evaluate(0.7).key_per_pulse == 0


def test_b92_at_seven_kilometres():
    eta = Fiber().transmittance(7.0)
    noise = np.array([0.0, 1e-3, 5e-3])
    budget = B92(detector=Detector(0.1, 0.0), error_correction_efficiency=1.0).evaluate(
        eta, misalignment=2.0 * noise / 3.0
    )
    np.testing.assert_allclose(budget.key_per_pulse, [6.4e-4, 1.2e-4, 0.0], rtol=0.02)


def test_lodewyck():
    system = preset("cv-lodewyck")
    assert system.mutual_information(0.302, 0.005) == pytest.approx(1.04365, abs=1e-5)
    assert system.holevo_information(0.302, 0.005) == pytest.approx(0.90204, abs=1e-5)
    budget = system.evaluate(0.302)
    assert budget.key_per_pulse == pytest.approx(0.035154, abs=1e-6)
    assert budget.key_rate_bps == pytest.approx(12.3e3, rel=1e-3)


def symplectic_holevo(system, t, xi):
    """Holevo information from numerical symplectic eigenvalues of the full covariance matrix."""
    v, eta = system.modulation_variance + 1.0, system.efficiency
    heterodyne = system.detection == "heterodyne"
    noise = system.electronic_noise * (1 + heterodyne) / (1 - eta) + 1.0
    z, eye = np.diag([1.0, -1.0]), np.eye(2)
    bob = t * (v + 1.0 / t - 1.0 + xi)
    c, thermal = np.sqrt(t * (v * v - 1.0)), np.sqrt(noise**2 - 1.0)
    # Modes A, B, F, G: the detector is a beam splitter between B and half of a thermal pair.
    full = np.zeros((8, 8))
    full[:2, :2], full[2:4, 2:4] = v * eye, bob * eye
    full[:2, 2:4] = full[2:4, :2] = c * z
    full[4:6, 4:6] = full[6:, 6:] = noise * eye
    full[4:6, 6:] = full[6:, 4:6] = thermal * z
    mix = np.eye(8)
    mix[2:4, 2:4] = mix[4:6, 4:6] = np.sqrt(eta) * eye
    mix[2:4, 4:6], mix[4:6, 2:4] = np.sqrt(1 - eta) * eye, -np.sqrt(1 - eta) * eye
    full = mix @ full @ mix.T
    rest = [0, 1, 4, 5, 6, 7]
    gamma, sigma, b = full[np.ix_(rest, rest)], full[np.ix_(rest, [2, 3])], full[2:4, 2:4]
    inverse = np.linalg.inv(b + eye) if heterodyne else np.diag([1.0 / b[0, 0], 0.0])

    def entropy(matrix):
        omega = np.kron(np.eye(len(matrix) // 2), [[0.0, 1.0], [-1.0, 0.0]])
        values = np.abs(np.linalg.eigvals(1j * omega @ matrix))
        x = np.maximum((np.sort(values)[::2] - 1.0) / 2.0, 1e-15)
        return np.sum((x + 1) * np.log2(x + 1) - x * np.log2(x))

    shared = np.block([[v * eye, c * z], [c * z, bob * eye]])
    return entropy(shared) - entropy(gamma - sigma @ inverse @ sigma.T)


@pytest.mark.parametrize("detection", ["homodyne", "heterodyne"])
@pytest.mark.parametrize(("t", "xi"), [(0.9, 0.02), (0.3, 0.05), (0.01, 0.01)])
def test_holevo_information_by_symplectic_eigenvalues(detection, t, xi):
    system = CVQKD(detection=detection)
    assert system.holevo_information(t, xi) == pytest.approx(
        symplectic_holevo(system, t, xi), rel=1e-6
    )


def test_cv_untrusted_detector():
    eta = Fiber().transmittance(25.0)
    assert CVQKD().secret_fraction(eta, 0.01) == pytest.approx(0.0917, abs=5e-5)
    untrusted = CVQKD(trusted_detector=False)
    assert untrusted.secret_fraction(eta, 0.01) == pytest.approx(-0.0960, abs=5e-5)


def test_cv_reaches_half_of_the_capacity():
    ideal = CVQKD(
        efficiency=1.0,
        electronic_noise=0.0,
        modulation_variance=1e7,
        excess_noise=0.0,
        reconciliation_efficiency=1.0,
    )
    assert ideal.evaluate(0.1).key_per_pulse == pytest.approx(7.600e-2, rel=1e-3)


def test_cv_finite_size():
    eta = Fiber().transmittance(50.0)
    keys = [CVQKD(block_size=n).evaluate(eta).key_per_pulse for n in (1e7, 1e9, 1e16)]
    asymptotic = CVQKD().evaluate(eta).key_per_pulse
    assert keys[0] == 0
    assert 0 < keys[1] < keys[2] < asymptotic
    assert keys[2] == pytest.approx(asymptotic / 2, rel=1e-2)


@pytest.mark.parametrize("name", ["cv-metro", "cv-lodewyck", "cv-metro(detection=heterodyne)"])
def test_cv_makes_no_key_of_rounding(name):
    """Entropies of order 1 differ by less than their rounding where hardly any light arrives."""
    loss_db = np.arange(8.0, 1000.0, 0.5)
    key = preset(name).evaluate(10 ** (-loss_db / 10)).key_per_pulse
    assert (key <= plob_bound(10 ** (-loss_db / 10))).all()
    assert (np.diff(key) <= 0.0).all()
    assert key[-1] == 0.0
    if name == "cv-lodewyck":  # whose reach ends at 7.2 dB
        assert (key == 0.0).all()


def test_cv_attack_stops_the_key():
    budget = CVQKD().evaluate(0.6, misalignment=[0.0, 0.015, 0.05, 0.13])
    assert (np.diff(budget.key_per_pulse) < 0).all()
    assert budget.key_per_pulse[2] > 0 == budget.key_per_pulse[3]


def test_mdi_reach():
    protocol = MDI(mean_photon_number="optimal")

    def alive(km):
        key = protocol.evaluate(Fiber().transmittance(km)).key_per_pulse
        return 1.0 if key > 0 else -1.0

    assert brentq(alive, 50.0, 350.0, xtol=1e-2) == pytest.approx(232.1, abs=0.2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BBM92(brightness=0.0), r"brightness is 0, but must be in \(0, 100\]"),
        (lambda: preset("spdc-e91(brightness=1e308)"), r"brightness is 1e\+308, .* \(0, 100\]"),
        (lambda: preset("mdi(mean_photon_number=1000)"), "mean_photon_number is 1000, .* 100"),
        (lambda: preset("gys(mean_photon_number=1000)"), "mean_photon_number is 1000, .* 100"),
        (lambda: CVQKD(trusted_detector="no"), "trusted_detector is 'no', but must be true or"),
        (lambda: BB84(detector=0.1), "detector is 0.1, but must be a Detector"),
        (lambda: BB84(misalignment=[0, 0]).evaluate([1] * 3), r"transmittance has the shape \(3,"),
        (lambda: BBM92(brightness="best"), "brightness is 'best'"),
        (lambda: BBM92(source_position=2.0), r"source_position is 2, but must be in \[0, 1\]"),
        (lambda: E91(analysis="di"), "analysis is 'di'"),
        (lambda: B92(overlap=1.0), r"overlap is 1, but must be in \[0.001, 1\)"),
        (lambda: CVQKD(detection="dual"), "detection is 'dual'"),
        (lambda: CVQKD(excess_noise=-1.0), r"excess_noise is -1, but must be in \[0, 100\]"),
        (lambda: CVQKD(block_size=0), "block_size is 0"),
        (lambda: MDI(misalignment=0.7), r"misalignment is 0.7, but must be in \[0, 0.5\]"),
    ],
)
def test_bad_parameters_are_named(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()
