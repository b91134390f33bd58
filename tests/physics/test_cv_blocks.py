"""Finite blocks of CV-QKD against Leverrier, Grosshans, Grangier, PRA 81, 062343 (2010)."""

import math

import pytest

from qkd_gym.physics import CVQKD


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("block", [1e6, 1e8])
@pytest.mark.parametrize("eps", [1e-10, 1e-6])
def test_finite_key_is_that_of_the_worst_channel_less_the_privacy_term(share, block, eps):
    """The worst channel lies 6.5 standard deviations from the estimate, Sec. IV of the source."""
    system = CVQKD(
        block_size=block, estimation_share=share, failure_probability=eps, efficiency=0.7,
        electronic_noise=0.03, modulation_variance=4.0, excess_noise=0.005,
        reconciliation_efficiency=0.96,
    )  # fmt: skip
    eta, xi = 0.7, 0.005
    estimated, kept = share * block, (1.0 - share) * block
    variance = 1.0 + 0.03 + 0.7 * eta * xi
    amplitude = math.sqrt(0.7 * eta) - 6.5 * math.sqrt(variance / (estimated * 4.0))
    t_low = amplitude**2 / 0.7
    noise = variance + 6.5 * variance * math.sqrt(2.0) / math.sqrt(estimated)
    xi_high = (noise - 1.03) / (0.7 * t_low)
    delta = 7.0 * math.sqrt(math.log2(2.0 / eps) / kept) + 2.0 / kept * math.log2(1.0 / eps)
    secret = 0.96 * system.mutual_information(eta, xi) - system.holevo_information(t_low, xi_high)
    key = (1.0 - share) * (secret - delta)
    assert key > 0.001
    budget = system.evaluate(eta)
    assert budget.key_per_pulse == pytest.approx(key, rel=1e-9)
    assert budget.key_rate_bps == pytest.approx(key * 10e6, rel=1e-9)
    assert system.sifted_per_detection == pytest.approx(1.0 - share)


@pytest.mark.parametrize(
    ("misalignment", "dimmed", "attack"),
    [(0.0, 1.0, 0.0), (0.03, 0.97, 0.0), (0.05, 0.95, 0.0), (0.15, 0.95, 0.1)],
)
def test_misalignment_dims_first_and_then_counts_as_an_attack(misalignment, dimmed, attack):
    """As an attack, each unit of error counts as 8 units of excess noise."""
    system = CVQKD(excess_noise=0.02, tracked_misalignment=0.05, misalignment=misalignment)
    t, noise = system.channel(0.4)
    assert t == pytest.approx(0.4 * dimmed)
    assert noise == pytest.approx(0.02 + 8.0 * attack)
    assert system.evaluate(0.4).qber == pytest.approx(0.0025 + attack)
