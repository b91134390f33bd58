"""What must hold for all parameters."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_gym.physics import B92, BB84, BBM92, CVQKD, E91, MDI, Detector, plob_bound

loss_db = st.floats(0.0, 70.0)
dark = st.floats(0.0, 1e-3)
error = st.floats(0.0, 0.5)
inefficiency = st.floats(1.0, 1.6)
decoy = st.sampled_from(["infinite", "vacuum+weak", "one", "none"])


def key(protocol, decibel, **arguments):
    return float(protocol.evaluate(10 ** (-decibel / 10), **arguments).key_per_pulse)


@pytest.mark.parametrize("make", [BB84, BBM92, E91, B92, MDI])
@settings(max_examples=20)
@given(decibel=loss_db, noise=dark, misalignment=error, f=inefficiency)
def test_click_protocols(make, decibel, noise, misalignment, f):
    def build(noise=noise, misalignment=misalignment, f=f):
        return make(
            detector=Detector(0.3, noise), misalignment=misalignment, error_correction_efficiency=f
        )

    protocol = build()
    budget = protocol.evaluate(10 ** (-decibel / 10))
    rate = float(budget.key_per_pulse)
    assert 0.0 <= rate <= float(plob_bound(10 ** (-decibel / 10) * 0.3))
    assert rate <= float(budget.gain * protocol.sifted_per_detection)
    assert 0.0 <= budget.qber <= 0.5
    if budget.qber >= protocol.qber_threshold:
        assert rate == 0.0
    slack = 1e-9 * rate
    assert key(protocol, decibel + 0.01) <= rate + slack
    assert key(protocol, decibel + 1.0) <= rate + slack
    assert key(build(misalignment=min(0.5, misalignment + 0.01)), decibel) <= rate + slack
    assert key(build(noise=noise + 1e-5), decibel) <= rate + slack
    assert key(build(f=f + 0.05), decibel) <= rate + slack


@settings(max_examples=100)
@given(
    decibel=loss_db,
    noise=dark,
    misalignment=error,
    mu=st.floats(0.25, 1.0),
    nu=st.floats(0.005, 0.2),
    efficiency=st.floats(0.01, 0.5),
)
def test_more_decoys_never_hurt(decibel, noise, misalignment, mu, nu, efficiency):
    base = BB84(
        detector=Detector(efficiency, noise),
        misalignment=misalignment,
        mean_photon_number=mu,
        decoy_photon_number=nu,
    )
    none, one, two, infinite = (
        key(dataclasses.replace(base, decoy=name), decibel)
        for name in ("none", "one", "vacuum+weak", "infinite")
    )
    assert one <= two * (1 + 1e-9)
    assert two <= infinite
    assert none <= infinite
    assert infinite <= 0.5 * np.exp(-1.0) * float(plob_bound(10 ** (-decibel / 10)))


@given(decibel=st.floats(10.0, 70.0), misalignment=st.floats(0.0, 0.05))
def test_some_decoys_beat_none(decibel, misalignment):
    base = BB84(misalignment=misalignment, decoy_photon_number=0.05)
    none = key(dataclasses.replace(base, decoy="none"), decibel)
    assert none <= key(dataclasses.replace(base, decoy="vacuum+weak"), decibel)


@settings(max_examples=50)
@given(
    decibel=loss_db,
    noise=st.floats(0.0, 0.3),
    variance=st.floats(0.1, 100.0),
    detection=st.sampled_from(["homodyne", "heterodyne"]),
    trusted=st.booleans(),
)
def test_continuous_variables(decibel, noise, variance, detection, trusted):
    system = CVQKD(
        modulation_variance=variance,
        excess_noise=noise,
        detection=detection,
        trusted_detector=trusted,
    )
    rate = key(system, decibel)
    assert 0.0 <= rate <= float(plob_bound(10 ** (-decibel / 10)))
    worse = dataclasses.replace(system, excess_noise=noise + 0.01)
    assert key(worse, decibel) <= rate + 1e-12
    assert key(system, decibel, misalignment=0.3) <= rate + 1e-12


@settings(max_examples=60)
@given(
    decibel=st.floats(0.0, 40.0),
    noise=st.floats(0.0, 1e-4),
    misalignment=st.floats(0.0, 0.1),
    exponent=st.floats(4.0, 12.0),
    name=st.sampled_from(["vacuum+weak", "one"]),
)
def test_finite_blocks(decibel, noise, misalignment, exponent, name):
    base = BB84(
        detector=Detector(0.3, noise),
        misalignment=misalignment,
        decoy=name,
        sifting=0.81,
        block_size=10.0**exponent,
    )
    budget = base.evaluate(10 ** (-decibel / 10))
    rate = float(budget.key_per_pulse)
    assert 0.0 <= rate <= float(budget.gain) * 0.81
    if budget.qber >= base.qber_threshold:
        assert rate == 0.0
    slack = 1e-9 * rate
    assert (
        rate <= key(dataclasses.replace(base, block_size=10.0 ** (exponent + 1)), decibel) + slack
    )
    assert key(base, decibel + 0.5) <= rate + slack
    assert key(base, decibel, misalignment=misalignment + 0.01) <= rate + slack
    leaky = dataclasses.replace(base, error_correction_efficiency=1.25)
    assert key(leaky, decibel) <= rate + slack
    noisy = dataclasses.replace(base, detector=Detector(0.3, noise + 1e-5))
    assert key(noisy, decibel) <= rate + slack


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    decibel=st.floats(0.0, 20.0),
    name=st.sampled_from(["vacuum+weak", "one"]),
)
def test_key_never_exceeds_the_sifted_counts(seed, decibel, name):
    protocol = BB84(decoy=name, sifting=0.81, block_size=1e7)
    counts = protocol.sample_block(10 ** (-decibel / 10), 10**9, np.random.default_rng(seed))
    length = float(protocol.key_from_counts(counts).length_bits)
    assert 0 <= length <= np.sum(counts.key)
    assert length == int(length)
    assert (np.asarray(counts.key_errors) <= counts.key).all()


@settings(max_examples=15)
@given(decibel=loss_db, misalignment=st.floats(0.0, 0.1))
def test_an_optimal_intensity_is_not_worse(decibel, misalignment):
    best = BB84(mean_photon_number="optimal", decoy="vacuum+weak", misalignment=misalignment)
    for mu in (0.2, 0.5, 0.8):
        fixed = dataclasses.replace(best, mean_photon_number=mu)
        assert key(fixed, decibel) <= key(best, decibel) * (1 + 1e-6)
