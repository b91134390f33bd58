"""Finite blocks of decoy-state BB84."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import BB84, Detector, Fiber
from qkd_gym.physics.blocks import BlockCounts
from qkd_gym.physics.entropy import binary_entropy
from qkd_gym.physics.finite_key import one_decoy_key, two_decoy_key

LIM = BB84(
    detector=Detector(0.1, 6e-7, afterpulse_probability=0.04),
    misalignment=0.005,
    decoy="vacuum+weak",
    vacuum_photon_number=2e-4,
    block_size=1e7,
    secrecy=1e-10,
    correctness=1e-15,
)


def best_lim_rate(km, block):
    """Largest rate over signal, decoy, basis and intensity probabilities, by random descent."""
    eta, rng = Fiber().transmittance(km), np.random.default_rng(3)

    def rate(x):
        mu, nu, basis, p1, p2 = x
        if not (0 < basis < 1 and p1 > 0 and p2 > 0 and p1 + p2 < 1 and 1e-3 < nu < mu - 1e-3):
            return 0.0
        return float(
            dataclasses.replace(
                LIM,
                mean_photon_number=mu,
                decoy_photon_number=nu,
                sifting=basis**2,
                intensity_probabilities=(p1, p2, 1 - p1 - p2),
                block_size=block,
            )
            .evaluate(eta)
            .key_per_pulse
        )

    best = np.array([0.5, 0.15, 0.9, 0.6, 0.3])
    value, step = rate(best), 0.1
    for _ in range(1200):
        trial = best * np.exp(step * rng.standard_normal(5))
        trial_value = rate(trial)
        if trial_value > value:
            best, value = trial, trial_value
        else:
            step = max(step * 0.997, 3e-3)
    return value


@pytest.mark.parametrize(
    ("km", "block", "published"),
    [
        pytest.param(50, 1e7, 4.99e-4, marks=pytest.mark.slow),
        (100, 1e7, 4.64e-5),
        pytest.param(100, 1e9, 8.17e-5, marks=pytest.mark.slow),
    ],
)
def test_lim_figure(km, block, published):
    """Fig. 1 of the source, digitised, within 5 %."""
    assert best_lim_rate(km, block) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("decoy", ["vacuum+weak", "one"])
def test_key_grows_with_the_block_towards_the_asymptotic_rate(decoy):
    eta = Fiber().transmittance([0.0, 25.0, 50.0])
    large = dataclasses.replace(
        LIM,
        decoy=decoy,
        vacuum_photon_number=0.0,
        decoy_photon_number=1e-3,
        intensity_probabilities=(0.998, 0.001, 0.001),
        sifting=0.99**2,
    )
    blocks = [dataclasses.replace(large, block_size=n) for n in (1e8, 1e12, 1e18, 1e26)]
    rates = [block.evaluate(eta).key_per_pulse for block in blocks]
    assert all((a <= b).all() for a, b in itertools.pairwise(rates))
    if decoy == "vacuum+weak":
        asymptotic = dataclasses.replace(large, decoy="infinite", block_size=np.inf)
        np.testing.assert_allclose(rates[-1], asymptotic.evaluate(eta).key_per_pulse, rtol=0.01)
    else:
        np.testing.assert_allclose(rates[-1], rusca_limit(large, eta), rtol=2e-5)


def rusca_limit(protocol, eta):
    """The bounds of Rusca et al. without deviations, signal and decoy together making key."""
    mu, nu = protocol.mean_photon_number, protocol.decoy_photon_number
    chances = np.array(protocol.intensity_probabilities[:2])
    p1, p2 = chances / chances.sum()
    signal, weak = (protocol.signal_clicks(eta, x) for x in (mu, nu))
    tau0 = p1 * np.exp(-mu) + p2 * np.exp(-nu)
    tau1 = p1 * mu * np.exp(-mu) + p2 * nu * np.exp(-nu)
    up1, up2 = np.exp(mu), np.exp(nu)
    y0_low = np.maximum((mu * weak.gain * up2 - nu * signal.gain * up1) / (mu - nu), 0.0)
    y0_high = 2 * np.minimum(weak.error_gain * up2, signal.error_gain * up1)
    y1 = weak.gain * up2 - (nu / mu) ** 2 * signal.gain * up1 - (1 - (nu / mu) ** 2) * y0_high
    y1 *= mu / (nu * (mu - nu))
    e1 = (signal.error_gain * up1 - weak.error_gain * up2) / (mu - nu) / y1
    gain = p1 * signal.gain + p2 * weak.gain
    error = (p1 * signal.error_gain + p2 * weak.error_gain) / gain
    leak = protocol.error_correction_efficiency * gain * binary_entropy(error)
    return protocol.sifting * (tau0 * y0_low + tau1 * y1 * (1 - binary_entropy(e1)) - leak)


@pytest.mark.parametrize("decoy", ["vacuum+weak", "one"])
def test_sampled_blocks_scatter_about_the_expected_key(decoy):
    protocol = dataclasses.replace(LIM, decoy=decoy, block_size=1e8)
    eta, rng = float(Fiber().transmittance(25.0)), np.random.default_rng(5)
    pulses = 10**11
    lengths = []
    for _ in range(10):
        counts = protocol.sample_block(eta, pulses, rng)
        key = protocol.key_from_counts(counts)
        assert key.length_bits <= np.sum(counts.key)
        lengths.append(key.length_bits / pulses)
    sized = dataclasses.replace(protocol, block_size=float(np.sum(counts.key)))
    assert np.mean(lengths) == pytest.approx(float(sized.evaluate(eta).key_per_pulse), rel=0.01)


@pytest.mark.parametrize(
    ("analyse", "photons", "chances"),
    [
        (two_decoy_key, (0.5, 0.1, 2e-4), (0.5, 0.3, 0.2)),
        (one_decoy_key, (0.5, 0.1), (0.6, 0.4)),
    ],
)
def test_bounds_hold_for_the_photons_that_were_sent(analyse, photons, chances):
    """Photon numbers are drawn too; a bound fails with a probability far below 1e-9."""
    rng, pulses, basis = np.random.default_rng(8), 10**10, 0.9
    protocol = BB84(detector=Detector(0.2, 1e-5), misalignment=0.02)
    eta, silent = 0.05 * 0.2, (1 - 1e-5)
    dark = 1 - silent**2
    # Gain and error gain given 0 or 1 photons, exactly, as for two threshold detectors.
    fixed = [
        (dark, dark / 2),
        (1 - silent**2 * (1 - eta), (1 - silent * eta * (1 - 0.04) - silent**2 * (1 - eta)) / 2),
    ]
    for _ in range(20):
        # Basis, intensity, photons (none, one, more), outcome (right, wrong).
        table = np.zeros((2, len(photons), 3, 2), dtype=np.int64)
        for k, (mu, p) in enumerate(zip(photons, chances, strict=True)):
            all_clicks = protocol.signal_clicks(0.05, mu)
            share = np.array([np.exp(-mu), mu * np.exp(-mu)])
            known = np.array([[s * g, s * w] for s, (g, w) in zip(share, fixed, strict=True)])
            rest = np.array([all_clicks.gain, all_clicks.error_gain]) - known.sum(axis=0)
            gains = np.vstack([known, rest])
            outcomes = np.stack([gains[:, 0] - gains[:, 1], gains[:, 1]], axis=1)
            for b, both in enumerate((basis**2, (1 - basis) ** 2)):
                table[b, k] = rng.binomial(int(pulses * p * both), outcomes)
        counts = [x for b in table for x in (b.sum(axis=(1, 2)), b[:, :, 1].sum(axis=1))]
        key = analyse(BlockCounts(*counts), photons, chances)
        ones = table[0, :, 1].sum()
        assert 0 <= key.vacuum_events <= table[0, :, 0].sum()
        assert 0.5 * ones < key.single_photon_events <= ones
        # Errors of single photons are the same in both bases here.
        assert table[0, :, 1, 1].sum() / ones <= key.phase_error < 0.1


def test_optimal_signals_broadcast_over_loss_and_misalignment():
    protocol = dataclasses.replace(LIM, mean_photon_number="optimal", block_size=1e9)
    eta, errors = np.array([0.3, 0.1]), np.array([0.005, 0.01, 0.03])
    grid = protocol.evaluate(eta[:, None], misalignment=errors)
    assert grid.key_per_pulse.shape == (2, 3)
    for column, error in enumerate(errors):
        alone = protocol.evaluate(eta, misalignment=error)
        np.testing.assert_array_equal(grid.key_per_pulse[:, column], alone.key_per_pulse)


def test_blocks_of_noise_or_nothing_give_no_key():
    for analyse, mu, p in (
        (two_decoy_key, (0.5, 0.1, 0.0), (0.6, 0.3, 0.1)),
        (one_decoy_key, (0.5, 0.1), (0.7, 0.3)),
    ):
        k = len(mu)
        assert analyse(BlockCounts([0] * k, [0] * k, [0] * k, [0] * k), mu, p).length_bits == 0
        n = np.array([10**6] * k)
        assert analyse(BlockCounts(n, n // 2, n, n // 2), mu, p).length_bits == 0


def test_small_blocks_give_no_key():
    small = dataclasses.replace(LIM, block_size=1000.0).evaluate(0.1)
    assert small.key_per_pulse == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_size": 0.0}, r"block_size is 0, but must be in \[1, 1e\+30\]"),
        ({"decoy": "infinite"}, "decoy of a finite block is 'infinite'"),
        ({"sifting": 1.0}, r"sifting of a finite block is 1, but must be in \[0, 1\)"),
        ({"secrecy": 0.0}, "secrecy is 0"),
        (
            {"intensity_probabilities": (0.5, 0.5)},
            "intensity_probabilities is .* must have 3",
        ),
    ],
)
def test_bad_blocks_are_named(changes, words):
    with pytest.raises(InvalidInput, match=words):
        dataclasses.replace(LIM, **changes).evaluate(0.1)


def test_bad_intensities_are_named():
    counts = BlockCounts([1, 1], [0, 0], [1, 1], [0, 0])
    with pytest.raises(InvalidInput, match="intensities are"):
        one_decoy_key(counts, (0.1, 0.5), (0.5, 0.5))
    with pytest.raises(InvalidInput, match="probabilities sum to 0.9"):
        one_decoy_key(counts, (0.5, 0.1), (0.5, 0.4))


@pytest.mark.parametrize("analyse", [two_decoy_key, one_decoy_key])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"error_correction_efficiency": -5}, r"error_correction_efficiency is -5, .* \[1, 100\]"),
        ({"error_correction_efficiency": 0.5}, "error_correction_efficiency is 0.5"),
        ({"error_correction_efficiency": np.nan}, "error_correction_efficiency is nan"),
        ({"secrecy": 0.0}, r"secrecy is 0, but must be in \[1e-100, 1\)"),
        ({"correctness": np.nan}, "correctness is nan"),
        ({"intensities": 0.5}, "intensities is 0.5, but must have [23] rows"),
        ({"probabilities": (0.5, 0.2, 0.2, 0.1)}, "probabilities is .* must have [23] rows"),
        ({"counts": None}, "counts is None, but must be a BlockCounts"),
        ({"counts": BlockCounts([9], [1], [9], [1])}, "counts.key is .* must have [23] rows"),
    ],
)
def test_keys_check_their_arguments_as_bb84_does(analyse, arguments, words):
    """An efficiency of -5 once gave more secret than sifted bits."""
    rows = 3 if analyse is two_decoy_key else 2
    good = {
        "counts": BlockCounts(*(np.array([900, 90, 9])[:rows] // share for share in (1, 9, 1, 9))),
        "intensities": (0.5, 0.1, 0.0)[:rows],
        "probabilities": (0.7, 0.3) if rows == 2 else (0.7, 0.2, 0.1),
    }
    analyse(**good)
    with pytest.raises(InvalidInput, match=words):
        analyse(**good | arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"key": [-1, 5, 2]}, "key is -1, but must be in"),
        ({"test": [1, np.nan, 2]}, "test is nan"),
        ({"test_errors": [0, 0, 1e308]}, "test_errors is 1e[+]308"),
        ({"key_errors": [1, 1, 11]}, "key_errors is 11, but must be at most key"),
        ({"test": [9, 9]}, r"test has the shape \(2,\), but must have one row"),
        ({"test": 9}, r"test has the shape \(\), but must have one row"),
        ({"test": np.ones((3, 2)), "test_errors": np.ones((3, 4))}, "must broadcast"),
    ],
)
def test_impossible_counts_are_named(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        BlockCounts(
            **{"key": [10] * 3, "key_errors": [1] * 3, "test": [9] * 3, "test_errors": [1] * 3}
            | arguments
        )
