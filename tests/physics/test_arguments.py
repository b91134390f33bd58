"""Whatever the public functions are given, the answer is physics or one sentence.

Every argument of everything in `qkd_gym.physics`, every field of every protocol and every argument
of their methods takes each of the values below in turn; then several fields at once are drawn from
them. Nothing may warn.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from qkd_gym import physics
from qkd_gym.errors import InvalidInput
from qkd_gym.physics import (
    B92,
    BB84,
    BBM92,
    CVQKD,
    E91,
    MDI,
    BlockCounts,
    Counts,
    Detector,
    Fiber,
    FiniteKey,
    FreeSpace,
    LinkBudget,
    Protocol,
    available_presets,
    plob_bound,
    preset,
)
from qkd_gym.physics.optimum import efficient_sifting, optimal_mean_photon_number

pytestmark = pytest.mark.filterwarnings("error")

ETA = np.array([0.0, 5e-324, 1e-300, 1e-20, 1e-3, 0.5, 1.0])
NUMBERS = (
    float("nan"), float("inf"), -float("inf"), -1, -1e-300, 0, 5e-324, 1e-308, 1e-9, 0.3, 0.5, 1,
    2, 50.0, 1000, 1e18, 1e308, 10**400, np.float32(0.5), np.int8(1),
)  # fmt: skip
OTHERS = (
    True, None, "0.3", "nonsense", "x" * 1000, 1j, {}, object(), [], [[1, 2], [3]], (0.1, "0.2"),
    np.full((2, 3), 0.3), np.full(5, 0.1), np.full((7, 1), 0.5), np.array([0.1, np.nan]),
    np.array(["0.1"]), np.full((1,) * 30, 0.5), [10**400],
)  # fmt: skip
VALUES = (*NUMBERS, *OTHERS)

COUNTS = BlockCounts([900, 90, 10], [9, 2, 1], [90, 9, 2], [3, 2, 1])
TWO = BlockCounts([900, 90], [9, 2], [90, 9], [3, 2])
LINK, RNG = BB84(), np.random.default_rng(0)
FINITE = preset("lim-ingaas(block_size=1e6)")
THREE = {"intensities": (0.5, 0.1, 0.0), "probabilities": (0.7, 0.2, 0.1)}
FADING = {"factors": np.array([0.5, 1.5]), "weights": np.array([0.5, 0.5])}
LIGHT = {"gate_s": 1e-9, "wavelength_nm": 1550.0}
SKY = {"radiance": 1.5, "field_of_view_sr": 1e-8, "aperture_radius_m": 0.1, "filter_nm": 1.0}
RAMAN = {
    "length_km": 20.0, "launch_power_w": 1e-3, "filter_nm": 0.2, "attenuation_db_per_km": 0.2,
    "cross_section_per_km_nm": 2.5e-9, "backward": True,
}  # fmt: skip
ROWS = {"key": [9, 8], "key_errors": [1, 1], "test": [9, 8], "test_errors": [1, 1]}
SHARED = {"error_correction_efficiency": 1.16, "secrecy": 1e-10, "correctness": 1e-15}

# Arguments with which each function works; one after the other is replaced.
FUNCTIONS = {
    physics.available_presets: {},
    physics.blinding: {"protocol": LINK, "transmittance": 0.1, "misalignment": 0.01},
    physics.detection_probability: {"disclosed_bits": 100, "fraction": 0.5},
    physics.fading_average: {"protocol": LINK, "transmittance": 0.1, **FADING},
    physics.fiber_cut: {"protocol": LINK},
    physics.gamma_gamma_fading: {"variance": 0.5, "points": 4},
    physics.intercept_resend_chsh: {"fraction": 0.5},
    physics.intercept_resend_qber: {"qber": 0.01, "fraction": 0.5},
    physics.jam: {"detector": Detector(), "photons": 1.0},
    physics.log_normal_fading: {"variance": 0.5, "points": 4},
    physics.one_decoy_key: {
        "counts": TWO, "intensities": (0.5, 0.1), "probabilities": (0.7, 0.3), **SHARED
    },
    physics.photon_number_splitting: {"protocol": LINK, "transmittance": 0.1},
    physics.photons_per_gate: {"power_w": 1e-15, **LIGHT},
    physics.plob_bound: {"transmittance": 0.1},
    physics.preset: {"name": "gys"},
    physics.raman_power_w: RAMAN,
    physics.rytov_variance: {"length_km": 5.0, "cn2": 1e-14, "wavelength_nm": 1550.0},
    physics.sky_photons: {**SKY, **LIGHT},
    physics.two_decoy_key: {"counts": COUNTS, **THREE, **SHARED},
    physics.BlockCounts: ROWS,
    physics.Detector: dataclasses.asdict(Detector()),
    Detector.from_background: {"efficiency": 0.1, "background_probability": 1e-6},
    physics.Fiber: dataclasses.asdict(Fiber()),
    physics.FreeSpace: dataclasses.asdict(FreeSpace()),
    efficient_sifting: {"key_basis_probability": 0.9, "both_bases": True},
    optimal_mean_photon_number: {"misalignment": 0.01, "error_correction_efficiency": 1.16},
}  # fmt: skip
PROTOCOLS = (B92, BB84, BBM92, CVQKD, E91, MDI)
# What holds results, and what is no function.
RECORDS = {Counts, FiniteKey, LinkBudget, Protocol}
METHODS = {
    Detector().with_stray_light: {"photons": 1.0},
    Detector(dead_time_s=1e-6).saturation: {"click_probability": 0.1, "repetition_rate_hz": 1e6},
    Fiber().loss_db: {"length_km": 5.0},
    Fiber().transmittance: {"length_km": 5.0},
    FreeSpace().loss_db: {"length_km": 5.0},
    FreeSpace().transmittance: {"length_km": 5.0},
    LINK.photon_number: {"transmittance": 0.1},
    LINK.signal_clicks: {"transmittance": 0.1, "mean_photon_number": 0.5},
    FINITE.sifted_clicks: {"transmittance": 0.1, "mean_photon_number": 0.5},
    FINITE.key_from_counts: {"counts": COUNTS, "transmittance": 0.1},
    FINITE.sample_block: {"transmittance": 0.1, "pulses": 1000, "rng": RNG},
    E91().chsh: {"transmittance": 0.1, "misalignment": 0.01},
    E91().key_per_coincidence: {"qber": 0.01},
    BBM92().key_per_coincidence: {"qber": 0.01},
    BBM92().coincidences: {"transmittance": 0.1, "brightness": 0.1},
    BBM92(brightness="optimal").pair_brightness: {"transmittance": 0.1},
    B92().state_overlap: {"transmittance": 0.1},
    MDI().arms: {"transmittance": 0.1},
    MDI().bell_measurements: {"transmittance": 0.1, "mu": 0.5},
    MDI().single_photons: {"transmittance": 0.1},
    MDI().photon_number: {"transmittance": 0.1},
    CVQKD().channel: {"transmittance": 0.1},
    CVQKD().mutual_information: {"transmittance": 0.1, "excess_noise": 0.01},
    CVQKD().holevo_information: {"transmittance": 0.1, "excess_noise": 0.01},
    CVQKD().secret_fraction: {"transmittance": 0.1, "excess_noise": 0.01},
}
# Results that may be anything finite; all others are at least 0.
SIGNED = {"secret_fraction", "key_per_coincidence", "chsh"}
# Results that are probabilities, transmittances or shares.
UNIT = {
    "detection_probability", "saturation", "transmittance", "signal_clicks", "sifted_clicks",
    "coincidences", "bell_measurements", "single_photons", "arms", "state_overlap",
    "efficient_sifting",
}  # fmt: skip
HALF = {"intercept_resend_qber"}


def answer(function, arguments):
    """What a call returns, or nothing where it raised one sentence."""
    try:
        return function(**arguments)
    except InvalidInput as error:
        sentence = str(error)
    assert len(sentence) <= 300
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return None


def arrays_of(result):
    if dataclasses.is_dataclass(result):
        result = tuple(vars(result).values())
    if isinstance(result, tuple):
        return [array for each in result for array in arrays_of(each)]
    return [] if isinstance(result, str) else [np.asarray(result, dtype=np.float64)]


def check_budget(budget, protocol, eta):
    capacity = np.minimum(plob_bound(eta), 1e3)  # which is infinite without loss
    within = (
        (budget.gain, 1.0),
        (budget.qber, 0.5),
        (budget.key_per_pulse, capacity * (1 + 1e-9)),
        (budget.key_rate_bps, capacity * protocol.repetition_rate_hz * (1 + 1e-9)),
    )
    for values, most in within:
        assert np.isfinite(values).all()
        assert (values >= 0.0).all()
        assert (values <= most).all()
    if not isinstance(protocol, CVQKD):  # which knows no single photons
        assert ((budget.single_photon_yield >= 0.0) & (budget.single_photon_yield <= 1.0)).all()
        assert ((budget.single_photon_qber >= 0.0) & (budget.single_photon_qber <= 0.5)).all()


def check_protocol(protocol):
    """A protocol that was accepted gives budgets and counts, if its arrays fit seven links."""
    budget = answer(protocol.evaluate, {"transmittance": ETA})
    if budget is None:
        return
    check_budget(budget, protocol, ETA)
    assert 0.0 <= np.min(protocol.qber_threshold) <= np.max(protocol.qber_threshold) <= 0.5
    counts = protocol.sample(ETA, 1000, RNG)
    for more, less in (("sent", "detected"), ("detected", "sifted"), ("sifted", "errors")):
        assert (getattr(counts, more) >= getattr(counts, less)).all()
    assert (counts.errors >= 0).all()


def test_every_public_name_is_tried():
    tried = {*FUNCTIONS, *PROTOCOLS, *RECORDS}
    # The last returns nothing, and test_own_protocols tries what it is given.
    others = {"SKY_RADIANCE", "register_preset"}
    assert {getattr(physics, name) for name in {*physics.__all__} - others} <= tried


CALLS = [*FUNCTIONS.items(), *METHODS.items()]


@pytest.mark.parametrize(
    ("function", "arguments"), CALLS, ids=[function.__qualname__ for function, _ in CALLS]
)
def test_arguments_give_physics_or_a_sentence(function, arguments):
    assert answer(function, arguments) is not None
    name = function.__name__
    for argument in arguments:
        for value in VALUES:
            result = answer(function, arguments | {argument: value})
            for array in [] if result is None else arrays_of(result):
                if name in ("blinding", "fading_average", "fiber_cut"):
                    break
                lossless = name == "plob_bound"  # which is infinite at transmittance 1
                assert np.isfinite(array).all() or lossless
                assert name in SIGNED or (array >= 0.0).all()
                assert name not in UNIT or (array <= 1.0).all()
                assert name not in HALF or (array <= 0.5).all()
            if isinstance(result, LinkBudget):
                check_budget(result, LINK, 1.0)
            if isinstance(result, FiniteKey):
                block = np.sum((arguments | {argument: value})["counts"].key, axis=0)
                assert (result.length_bits <= block).all()
                assert (result.vacuum_events + result.single_photon_events <= block).all()


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_fields_of_protocols_give_physics_or_a_sentence(kind):
    for field in dataclasses.fields(kind):
        for value in VALUES:
            protocol = answer(kind, {field.name: value})
            if protocol is not None:
                check_protocol(protocol)


WORDS = ("infinite", "vacuum+weak", "one", "none", "heterodyne", "device-independent", "optimal")


def some_fields_changed(record, rng):
    """A copy with one to four fields, or those of its detector, drawn anew; None if refused."""
    names = [field.name for field in dataclasses.fields(record)]
    changes = {}
    for name in rng.permutation(names)[: rng.integers(1, 5)]:
        inner = getattr(record, name)
        changes[name] = NUMBERS[rng.integers(len(NUMBERS))]
        if isinstance(inner, Detector):
            changes[name] = some_fields_changed(inner, rng) or inner
        elif isinstance(inner, bool):
            changes[name] = not inner
        elif isinstance(inner, str) and rng.random() < 0.8:
            changes[name] = str(rng.choice(WORDS))
    return answer(partial(dataclasses.replace, record), changes)


@pytest.mark.parametrize("name", available_presets())
def test_several_fields_of_presets_at_once(name):
    """150 seeded draws of one to four fields, the detector's among them."""
    rng = np.random.default_rng(sum(name.encode()))
    drawn = [some_fields_changed(preset(name), rng) for _ in range(150)]
    accepted = [protocol for protocol in drawn if protocol is not None]
    assert len(accepted) > 5
    for protocol in accepted:
        check_protocol(protocol)


@pytest.mark.parametrize("name", available_presets())
def test_evaluate_and_sample_give_physics_or_a_sentence(name):
    protocol = preset(name)
    for value in VALUES:
        for arguments in (
            {"transmittance": value},
            {"transmittance": 0.1, "misalignment": value},
            {"transmittance": np.full(4, 0.1), "misalignment": value},
        ):
            budget = answer(protocol.evaluate, arguments)
            if budget is not None:
                check_budget(budget, protocol, np.asarray(arguments["transmittance"], float))
        for argument in ("transmittance", "pulses", "rng", "misalignment"):
            given = {"transmittance": 0.1, "pulses": 1000, "rng": RNG, argument: value}
            counts = answer(protocol.sample, given)
            assert counts is None or (counts.sent >= counts.sifted).all()
