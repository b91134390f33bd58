"""Agreement with independent implementations: the package ``qkd`` and TNO's key-rate package.

Of the latter only the asymptotic rates: its finite-key estimate exceeds them.
"""

from __future__ import annotations

import numpy as np
import pytest
from qkd import _core as core
from tno.quantum.communication.qkd_key_rate.quantum import bb84 as tno_bb84
from tno.quantum.communication.qkd_key_rate.quantum import bb84_single_photon as tno_single
from tno.quantum.communication.qkd_key_rate.quantum import bbm92 as tno_bbm92
from tno.quantum.communication.qkd_key_rate.quantum._detector import Detector as TnoDetector

from qkd_gym.physics import B92, BB84, BBM92, CVQKD, E91, MDI, Detector
from qkd_gym.physics.blocks import BlockCounts
from qkd_gym.physics.clicks import Clicks, single_photon_clicks
from qkd_gym.physics.decoy import two_decoys
from qkd_gym.physics.finite_key import one_decoy_key, sampling_deviation, two_decoy_key
from qkd_gym.physics.protocols.b92 import b92_filter

LOSSES = np.array([0.9, 0.5, 0.1, 1e-2, 1e-3])


@pytest.mark.parametrize(("nu1", "nu2"), [(0.05, 0.0), (0.1, 0.01), (0.2, 1e-4)])
@pytest.mark.parametrize("eta", LOSSES)
def test_decoy_bounds(nu1, nu2, eta):
    mu, y0, error = 0.48, 1.7e-6, 0.033
    clicks = [Clicks(*_linear(value, eta, y0, error)) for value in (mu, nu1, nu2)]
    ours = two_decoys(*clicks, mu, nu1, nu2)
    observed = [x for click in clicks for x in (float(click.gain), float(click.qber))]
    theirs = core.decoy_bounds(mu, nu1, nu2, *observed)
    assert float(ours.yield_) == pytest.approx(theirs[0], rel=1e-8)
    assert float(ours.error) == pytest.approx(theirs[1], rel=1e-8)


def _linear(mu, eta, y0, error):
    light = -np.expm1(-eta * mu)
    return np.asarray(y0 + (1 - y0) * light), np.asarray(y0 / 2 + error * light)


@pytest.mark.parametrize("eta", LOSSES)
def test_pairs(eta):
    detector = Detector.from_background(0.145, 6.02e-6)
    budget = BBM92(detector=detector, brightness=0.05, misalignment=0.03).evaluate(eta)
    arm = 0.145 * np.sqrt(eta)
    arguments = (0.05, arm, arm, 6.02e-6, 6.02e-6)
    assert float(budget.gain) == pytest.approx(core.pair_gain(*arguments), rel=1e-8)
    assert float(budget.qber) == pytest.approx(core.pair_error(*arguments, 0.03), rel=1e-6)
    best = BBM92(
        detector=detector,
        brightness="optimal",
        misalignment=0.03,
        error_correction_efficiency=1.22,
    ).evaluate(eta)
    theirs = core.pair_optimum(arm, arm, 6.02e-6, 6.02e-6, 0.03, 1.22, 0.5)
    assert float(best.key_per_pulse) == pytest.approx(theirs[3], rel=1e-6)


def test_device_independent_threshold():
    for f in (1.0, 1.16):
        ours = E91(analysis="device-independent", error_correction_efficiency=f).qber_threshold
        assert float(ours) == pytest.approx(core.ekert_threshold(f), rel=1e-6)


@pytest.mark.parametrize("overlap", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("loss", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("p", [1e-4, 3e-3, 2e-2])
def test_b92(overlap, loss, p):
    ours = b92_filter(1.0 - loss, p, overlap)
    conclusive, error = core.b92_channel(overlap, loss, p)
    assert float(ours.conclusive) == pytest.approx(conclusive, rel=1e-10)
    assert float(ours.bit_error / ours.conclusive) == pytest.approx(error, rel=1e-10)
    theirs = core.b92_phase(overlap, loss, conclusive, float(ours.bit_error / ours.conclusive))
    phase = min(float(ours.phase_error / ours.conclusive), 0.5)
    assert phase == pytest.approx(min(theirs, 0.5), rel=1e-6)


@pytest.mark.parametrize("detection", ["homodyne", "heterodyne"])
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("t", LOSSES)
def test_continuous_variables(detection, trusted, t):
    system = CVQKD(detection=detection, trusted_detector=trusted)
    theirs = core.cv_rate(5.0, t, 0.01, 0.6, 0.05, 0.95, detection == "homodyne", trusted)
    assert float(system.secret_fraction(t, 0.01)) == pytest.approx(theirs[2], rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("eta", LOSSES)
def test_mdi(eta):
    protocol = MDI(mean_photon_number=0.4, misalignment=0.02)
    arm = 0.145 * np.sqrt(eta)
    gain, error = core.mdi_rect(0.4, 0.4, arm, arm, 3e-6, 0.02)[:2]
    budget = protocol.evaluate(eta)
    assert float(budget.gain) == pytest.approx(gain, rel=1e-9)
    assert float(budget.qber) == pytest.approx(error, rel=1e-6)
    single, single_error = core.mdi_yield(arm, arm, 3e-6, 0.02)[:2]
    assert float(budget.single_photon_yield) == pytest.approx(single, rel=1e-9)
    assert float(budget.single_photon_qber) == pytest.approx(single_error, rel=1e-9)


def test_finite_key_of_two_decoys():
    mu, chances = (0.5, 0.1, 2e-4), (0.6, 0.3, 0.1)
    counts = BlockCounts(
        [7_000_000, 900_000, 4_000], [90_000, 12_000, 2_000],
        [800_000, 100_000, 500], [11_000, 1_500, 240],
    )  # fmt: skip
    ours = two_decoy_key(counts, mu, chances)
    s0, s1 = core.decoy_counts(*mu, chances, tuple(counts.key), 1e-10 / 21)[:2]
    tested = core.decoy_counts(*mu, chances, tuple(counts.test), 1e-10 / 21)[1]
    errors = core.decoy_errors(*mu, chances, tuple(counts.test_errors), 1e-10 / 21)
    phase = core.bb84_phase(errors, tested, s1, 1e-10)
    block = sum(counts.key)
    qber = sum(counts.key_errors) / block
    length = core.bb84_length(s0, s1, phase, block, qber, 1.16, 1e-10, 1e-15)
    assert float(ours.vacuum_events) == pytest.approx(s0, rel=1e-9)
    assert float(ours.single_photon_events) == pytest.approx(s1, rel=1e-9)
    assert float(ours.phase_error) == pytest.approx(phase, rel=1e-9)
    assert float(ours.length_bits) == pytest.approx(length, abs=1.0)
    assert ours.length_bits > 0


def test_b92_optimum_is_not_worse_than_a_fixed_overlap():
    best = B92().evaluate(0.8, misalignment=1e-3).key_per_pulse
    for overlap in (0.9, 0.95, 0.97, 0.99):
        assert best >= B92(overlap=overlap).evaluate(0.8, misalignment=1e-3).key_per_pulse


def test_finite_key_of_one_decoy():
    mu, chances, eps = (0.5, 0.1), (0.6, 0.4), 1e-10 / 19
    key, test = (8_000_000, 1_000_000), (900_000, 120_000)
    errors, test_errors = [90_000, 0], [10_000, 0]
    # The oracle takes the largest of two bounds on the vacuum, this package the smallest: both
    # agree where the errors make them equal.
    for values in (errors, test_errors):
        for _ in range(100):
            delta = np.sqrt(sum(values) / 2 * np.log(1 / eps))
            scaled = np.exp(mu[0]) / chances[0] * (values[0] + delta)
            values[1] = int(np.rint(scaled * chances[1] / np.exp(mu[1]) - delta))
    ours = one_decoy_key(BlockCounts(key, errors, test, test_errors), mu, chances)
    s0, s1, _ = core.sarg_counts(*mu, chances, key, tuple(errors), eps)
    tested = core.sarg_counts(*mu, chances, test, tuple(test_errors), eps)[1]
    wrong = core.sarg_errors(*mu, chances, tuple(test_errors), eps)
    assert float(ours.vacuum_events) == pytest.approx(s0, rel=1e-9)
    assert float(ours.single_photon_events) == pytest.approx(s1, rel=1e-5)
    phase = wrong / tested + float(sampling_deviation(1e-10, wrong / tested, tested, s1, 19))
    assert float(ours.phase_error) == pytest.approx(phase, rel=1e-5)


def tno_detector(efficiency, dark, misalignment=0.0, error=0.0):
    return TnoDetector(
        name="receiver",
        jitter_source=0.0,
        jitter_detector=0.0,
        dead_time=0.0,
        detection_window=1e-7,
        interval=1e-7,
        efficiency_system=1.0,
        efficiency_detector=efficiency,
        dark_count_rate=dark,
        polarization_drift=np.arcsin(np.sqrt(misalignment)),
        error_detector=error,
    )


@pytest.mark.parametrize("misalignment", [0.0, 0.015, 0.06])
@pytest.mark.parametrize("decibel", [0.0, 5.0, 20.0, 34.0])
def test_bb84_of_tno(misalignment, decibel):
    mu, dark, eta = 0.5, 1e-6, 10 ** (-decibel / 10)
    protocol = BB84(
        detector=Detector(0.1, dark),
        misalignment=misalignment,
        mean_photon_number=mu,
        sifting=1.0,
        error_correction_efficiency=1.0,
    )
    receiver = tno_detector(0.1, dark, misalignment)
    gain, qber = tno_bb84.compute_gain_and_error_rate(receiver, mu, decibel)
    ours = protocol.evaluate(eta)
    assert float(ours.gain) == pytest.approx(gain[0], rel=1e-9)
    assert float(ours.qber) == pytest.approx(qber[0], rel=1e-6)
    theirs = tno_bb84.BB84FullyAsymptoticKeyRateEstimate(receiver).compute_rate(mu, decibel)
    vacuum = np.exp(-mu) * (1 - (1 - dark) ** 2)  # charged here, credited there
    # They let a photon mask a dark count in the error of single photons.
    assert float(ours.key_per_pulse) == pytest.approx(max(theirs - vacuum, 0.0), rel=1e-4)


@pytest.mark.parametrize("decibel", [0.0, 10.0, 30.0])
def test_single_photons_of_tno(decibel):
    gain, qber = tno_single.compute_gain_and_error_rate(tno_detector(0.1, 1e-6, 0.02), decibel)
    ours = single_photon_clicks(10 ** (-decibel / 10), 0.02, Detector(0.1, 1e-6))
    assert float(ours.gain) == pytest.approx(float(gain), rel=1e-9)
    assert float(ours.qber) == pytest.approx(float(qber), rel=1e-4)
    assert float(ours.qber) >= float(qber)


@pytest.mark.parametrize("decibel", [0.0, 10.0, 30.0])
def test_bbm92_of_tno(decibel):
    # Here their dark count rate is that of the whole receiver.
    receiver = tno_detector(0.145, 1 - (1 - 3e-6) ** 2, error=0.015)
    protocol = BBM92(
        detector=Detector(0.145, 3e-6),
        brightness=0.05,
        sifting=1.0,
        error_correction_efficiency=1.0,
    )
    theirs = tno_bbm92.BBM92AsymptoticKeyRateEstimate(receiver).compute_rate(0.1, decibel)
    ours = float(protocol.evaluate(10 ** (-decibel / 10)).key_per_pulse)
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("eta", LOSSES)
def test_decoy_bb84_rates(eta):
    """Signal, decoys and key rate from the package's own pieces, with its linear click model."""
    mu, nu, y0, error, f = 0.48, 0.05, 1.7e-6, 0.033, 1.22
    detector = Detector.from_background(0.045, y0)
    q, e = core.decoy_gain(mu, 0.045 * eta, y0, error)
    y1, e1 = core.decoy_ideal(0.045 * eta, y0, error)
    theirs = core.bb84_rate(0.5, q, e, mu * np.exp(-mu) * y1, e1, f)
    common = {
        "detector": detector,
        "misalignment": error,
        "mean_photon_number": mu,
        "decoy_photon_number": nu,
        "error_correction_efficiency": f,
    }
    ours = float(BB84(**common).evaluate(eta).key_per_pulse)
    assert ours == pytest.approx(theirs, rel=1e-3)
    weak, empty = core.decoy_gain(nu, 0.045 * eta, y0, error), (y0, 0.5)
    _, worst, single = core.decoy_bounds(mu, nu, 0.0, q, e, *weak, *empty)
    theirs = core.bb84_rate(0.5, q, e, single, worst, f)
    ours = float(BB84(**common, decoy="vacuum+weak").evaluate(eta).key_per_pulse)
    assert ours == pytest.approx(theirs, rel=1e-3)
