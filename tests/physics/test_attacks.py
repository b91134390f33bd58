"""Eavesdropping and accidents against published and independently computed values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import (
    BB84,
    BBM92,
    Detector,
    Fiber,
    blinding,
    detection_probability,
    fiber_cut,
    intercept_resend_chsh,
    intercept_resend_qber,
    jam,
    photon_number_splitting,
    preset,
)
from qkd_gym.physics.protocols.e91 import chsh_value

GYS_FIBER = Fiber(attenuation_db_per_km=0.21)


def test_intercept_resend_of_every_pulse():
    """Measuring in a random basis, pulse by pulse, gives the formula's QBER."""
    rng, pulses, fraction, error = np.random.default_rng(1), 400_000, 0.6, 0.03
    bit, basis = rng.integers(0, 2, (2, pulses))
    eve_basis, attacked = rng.integers(0, 2, pulses), rng.random(pulses) < fraction
    coin = rng.integers(0, 2, (2, pulses))
    seen = np.where(eve_basis == basis, bit, coin[0])
    resent = np.where(attacked, seen, bit)
    # Bob measures in Alice's basis: right if that is the basis in which the photon was sent.
    received = np.where(attacked & (eve_basis != basis), coin[1], resent)
    received ^= rng.random(pulses) < error
    expected = float(intercept_resend_qber(error, fraction))
    spread = np.sqrt(expected * (1 - expected) / pulses)
    assert abs((received != bit).mean() - expected) < 4.5 * spread


def test_intercept_resend_stops_the_key_through_the_rate_formula():
    fraction = np.linspace(0.0, 1.0, 21)
    error = intercept_resend_qber(0.015, fraction)
    budget = BB84().evaluate(0.3, misalignment=error)
    assert (np.diff(budget.key_per_pulse) <= 0).all()
    assert budget.key_per_pulse[0] > 0 == budget.key_per_pulse[-1]
    np.testing.assert_allclose(budget.gain, budget.gain[0], rtol=1e-12)
    # The attack reaches the QBER of 11 % at f = 0.3918.
    assert intercept_resend_qber(0.015, 0.3918) == pytest.approx(0.11, abs=1e-4)


def test_intercept_resend_and_bell():
    assert intercept_resend_chsh(0.0) == pytest.approx(2 * np.sqrt(2))
    assert intercept_resend_chsh(2 - np.sqrt(2)) == pytest.approx(2.0)
    assert intercept_resend_chsh(1.0) == pytest.approx(np.sqrt(2))
    fraction = np.linspace(0, 1, 5)
    np.testing.assert_allclose(
        chsh_value(intercept_resend_qber(0.0, fraction)), intercept_resend_chsh(fraction)
    )


def test_detection_probability():
    assert detection_probability(1, 1.0) == pytest.approx(0.25)
    assert detection_probability(100, 0.1) == pytest.approx(1 - 0.975**100)


@pytest.mark.parametrize(("km", "ratio"), [(20, 0.139), (50, 0.145), (100, 0.213)])
def test_photon_number_splitting_hides_from_the_signal_only(km, ratio):
    """GYS with mu = 0.48 and nu = 0.05."""
    attack = photon_number_splitting(preset("gys"), GYS_FIBER.transmittance(km))
    assert attack.feasible
    assert attack.decoy_ratio == pytest.approx(ratio, abs=5e-4)


def test_photon_number_splitting_needs_loss():
    attack = photon_number_splitting(BB84(detector=Detector(0.5, 1e-6)), [1.0, 1e-3])
    assert attack.feasible.tolist() == [False, True]
    # Where it is feasible, nothing is left without decoys.
    assert BB84(detector=Detector(0.5, 1e-6), decoy="none").evaluate(1e-3).key_per_pulse == 0


@pytest.mark.parametrize(("noise", "qber"), [(1e-4, 0.0160), (1e-2, 0.0983)])
def test_jamming(noise, qber):
    """mu eta = 0.05 and e_d = 1.5 % under a background click probability of ``noise``."""
    detector = jam(Detector(0.1, 0.0), -np.log1p(-noise) / 0.1)
    clean = BB84(detector=Detector(0.1, 0.0)).evaluate(1.0)
    jammed = BB84(detector=detector).evaluate(1.0)
    assert jammed.gain > clean.gain
    # The published model counts errors linearly; here light may mask a false click.
    assert jammed.qber == pytest.approx(qber, rel=2.5 * noise + 2e-3)


def test_strong_jamming_makes_every_second_bit_wrong():
    jammed = BB84(detector=jam(Detector(), 1e4)).evaluate(0.1)
    assert jammed.gain == pytest.approx(1.0)
    assert jammed.qber == pytest.approx(0.5)
    assert jammed.key_per_pulse == 0


@pytest.mark.parametrize("protocol", [BB84(), BBM92()])
def test_blinding_shows_in_no_count(protocol):
    attack = blinding(protocol, 0.1)
    clean = protocol.evaluate(0.1)
    assert dataclasses.astuple(attack.observed) == dataclasses.astuple(clean)
    assert clean.key_rate_bps > 0 == attack.secret_key_rate_bps


def test_a_cut_fiber_leaves_noise():
    budget = fiber_cut(BB84())
    assert budget.gain == pytest.approx(2e-6, rel=1e-5)
    assert budget.qber == pytest.approx(0.5)
    assert budget.key_rate_bps == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: intercept_resend_qber(0.6, 0.1), r"qber is 0.6, but must be in \[0, 0.5\]"),
        (lambda: intercept_resend_chsh(1.1), r"fraction is 1.1, but must be in \[0, 1\]"),
        (lambda: detection_probability(-1, 0.1), "disclosed_bits is -1"),
        (lambda: photon_number_splitting(BB84(), 2.0), "transmittance is 2"),
        (lambda: jam(Detector(), -1.0), r"photons is -1, but must be in \[0, 1e\+12\]"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(InvalidInput, match=words):
        call()
