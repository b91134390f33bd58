"""The presets have the parameters of the tables that they name as their sources."""

import math

import pytest

from qkd_gym.physics import Detector, Fiber, preset

PUBLISHED = {
    # Efficiency, background of the whole receiver, misalignment, f, pulses per second.
    "gys": (0.045, 1.7e-6, 0.033, 1.22, 2e6),
    "kth": (0.143, 4e-4, 0.01, 1.22, 1e5),
    "spdc": (0.145, 6.02e-6, 0.015, 1.22, 250e6),
    "spdc-e91": (0.145, 6.02e-6, 0.015, 1.22, 250e6),
    "reference": (0.1, 2e-6, 0.015, 1.16, 10e6),
    "lim-ingaas": (0.1, 1.2e-6, 0.005, 1.16, 10e6),
    "metro-1ghz": (0.05, 2e-6, 0.02, 1.15, 1e9),
    "mdi": (0.145, 6e-6, 0.015, 1.16, 1e9),
    "b92": (0.9, 2e-8, 0.002, 1.16, 10e6),
}
OTHER_FIELDS = {
    "gys": {"mean_photon_number": 0.48, "decoy_photon_number": 0.05, "decoy": "infinite"},
    "reference": {"mean_photon_number": 0.5, "decoy_photon_number": 0.1, "sifting": 0.5},
    "lim-ingaas": {
        "decoy": "vacuum+weak", "vacuum_photon_number": 2e-4, "block_size": 1e7,
        "secrecy": 1e-10, "correctness": 1e-15,
    },
    "metro-1ghz": {"mean_photon_number": 0.4},
    "spdc": {"brightness": "optimal", "sifting": 0.5, "source_position": 0.5},
    "spdc-e91": {"brightness": "optimal", "sifting": 2 / 9, "analysis": "trusted"},
    "mdi": {"mean_photon_number": 0.5, "sifting": 1.0, "relay_position": 0.5},
    "b92": {"overlap": "optimal", "trusted_detector": False},
    "cv-metro": {
        "efficiency": 0.6, "electronic_noise": 0.05, "modulation_variance": 5.0,
        "excess_noise": 0.01, "reconciliation_efficiency": 0.95, "detection": "homodyne",
        "trusted_detector": True, "block_size": math.inf, "repetition_rate_hz": 100e6,
    },
    "cv-lodewyck": {
        "efficiency": 0.606, "electronic_noise": 0.041, "modulation_variance": 18.5,
        "excess_noise": 0.005, "reconciliation_efficiency": 0.898, "repetition_rate_hz": 350e3,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_receiver_and_clock(name):
    protocol = preset(name)
    efficiency, background, misalignment, f, rate_hz = PUBLISHED[name]
    assert protocol.detector.efficiency == efficiency
    whole = 1.0 - (1.0 - protocol.detector.dark_count_probability) ** 2
    assert whole == pytest.approx(background, rel=1e-6 + background)
    assert protocol.misalignment == misalignment
    assert protocol.error_correction_efficiency == f
    assert protocol.repetition_rate_hz == rate_hz


@pytest.mark.parametrize("name", OTHER_FIELDS)
def test_other_fields(name):
    protocol = preset(name)
    assert {field: getattr(protocol, field) for field in OTHER_FIELDS[name]} == OTHER_FIELDS[name]


def test_afterpulses_and_sifting():
    assert preset("lim-ingaas").detector.afterpulse_probability == 0.04
    # 88 % of the bits of two bases survive.
    assert preset("metro-1ghz").sifting == pytest.approx(0.88, abs=1e-4)


def test_standard_fibre_and_a_receiver_in_the_dark():
    assert Fiber() == Fiber(0.2, 0.0, 0, 0.3, 0.0, 0.05)
    assert Detector() == Detector(0.1, 1e-6, 0.0, 0.0, 0.0)
