"""Rate tables against the protocols that they stand for."""

import json

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.tables import DARK_LOSS_DB, MISALIGNMENT_STEP, rate_table
from qkd_gym.physics import available_presets, fiber_cut, plob_bound, preset

# As good as a lossy channel allows, almost noiseless, and quadratic in the transmittance.
EXTREMES = (
    "cv-metro(excess_noise=0, electronic_noise=0, efficiency=1, modulation_variance=1e5, "
    "reconciliation_efficiency=1)",
    "reference(detector.dark_count_probability=1e-12, detector.efficiency=0.9, sifting=1)",
    "reference(decoy=none, detector.dark_count_probability=0, mean_photon_number=optimal)",
    "lim-ingaas(block_size=1e12, repetition_rate_hz=1e12, detector.dark_count_probability=0)",
)
PRESETS = (*available_presets(), *EXTREMES)


def eta_of(loss_db):
    return 10.0 ** (-np.asarray(loss_db) / 10.0)


def capacity_bps(name, loss_db):
    """The most that any protocol yields; infinite without loss."""
    return plob_bound(eta_of(loss_db)) * preset(name).pulse_rate_hz


@pytest.mark.parametrize("name", PRESETS)
def test_table_is_the_protocol_at_its_grid_points(name):
    """From 0 to 200 dB, to single precision; only the capacity may lower a rate near 0 dB."""
    loss_db = np.arange(0.0, DARK_LOSS_DB, 2.5)
    for error in (0.0, 4 * MISALIGNMENT_STEP, 20 * MISALIGNMENT_STEP):
        rate, sifted, qber = rate_table(name).look_up(loss_db, error)
        budget = preset(name).evaluate(eta_of(loss_db), misalignment=error)
        made = budget.qber < preset(name).qber_threshold  # a table makes no key elsewhere
        expected = np.where(made, budget.key_rate_bps, 0.0)
        assert rate[0] <= expected[0] * (1 + 2e-6)
        exact = slice(1 if name in EXTREMES else 0, None)
        np.testing.assert_allclose(rate[exact], expected[exact], rtol=2e-6, atol=1e-9)
        np.testing.assert_allclose(qber, budget.qber, rtol=2e-6)
        clicks = budget.gain * preset(name).sifted_per_detection * preset(name).pulse_rate_hz
        np.testing.assert_allclose(sifted, clicks, rtol=2e-6)


@pytest.mark.parametrize("name", PRESETS)
def test_table_follows_the_protocol_between_its_grid_points(name):
    """At 4,000 random losses from 0 to 200 dB a rate lies between those at the neighbours.

    That holds to a thousandth of a bit per second, the rounding of strong modulations' entropies.
    Where the rate is more than a thousandth of that at 0 dB it is within 2 % of the protocol's,
    save below 1 dB, where coherent systems fall most steeply, and within 0.5 dB of the end of the
    reach.
    """
    rng = np.random.default_rng(1)
    loss_db = rng.uniform(0.0, DARK_LOSS_DB - 0.25, 4000)
    error = 4 * MISALIGNMENT_STEP
    rate, _, _ = rate_table(name).look_up(loss_db, error)

    def protocol(decibel):
        budget = preset(name).evaluate(eta_of(decibel), misalignment=error)
        return np.where(budget.qber < preset(name).qber_threshold, budget.key_rate_bps, 0.0)

    near, far = 0.25 * np.floor(loss_db / 0.25), 0.25 * np.ceil(loss_db / 0.25)
    assert (rate <= protocol(near) * (1 + 1e-5) + 1e-3).all()
    settled = near >= 1.0
    assert (rate >= protocol(far) * (1 - 1e-5) - 1e-3)[settled].all()
    expected = protocol(loss_db)
    settled &= (protocol(loss_db + 0.5) > 0.0) & (expected > 1e-3 * protocol(np.zeros(1)))
    np.testing.assert_allclose(rate[settled], expected[settled], rtol=0.02)


@pytest.mark.parametrize("name", PRESETS)
def test_table_never_exceeds_the_capacity(name):
    rng = np.random.default_rng(2)
    loss_db = np.concatenate([10.0 ** rng.uniform(-6, 0, 2000), rng.uniform(0.0, 250.0, 4000)])
    for error in (0.0, 0.0007, 0.01):
        rate, _, _ = rate_table(name).look_up(loss_db, error)
        assert (rate <= capacity_bps(name, loss_db) * (1 + 1e-6)).all()
        assert (rate >= 0.0).all()


@pytest.mark.parametrize("name", PRESETS)
def test_table_ends_in_a_dark_link(name):
    """Beyond 200 dB, however far, a link yields what it does when its fibre is cut."""
    protocol = preset(name)
    dark = fiber_cut(protocol)
    rate, sifted, qber = rate_table(name).look_up(
        [200.0, 200.3, 1000.0, 1e30], protocol.misalignment
    )
    assert dark.key_rate_bps == 0.0 == np.abs(rate).max()
    np.testing.assert_allclose(qber, dark.qber, rtol=1e-6)
    clicks = dark.gain * protocol.sifted_per_detection * protocol.pulse_rate_hz
    np.testing.assert_allclose(sifted, clicks, rtol=1e-6)


def test_a_fibre_too_long_for_key_carries_no_demand(tmp_path):
    """5,000 km, 1,000 dB; the table of a coherent system once gave 1.3 bit/s at any length."""
    edge = {"source": "a", "target": "b", "length_km": 5000, "preset": "cv-metro"}
    content = {"name": "far", "nodes": [{"id": "a"}, {"id": "b"}], "edges": [edge]}
    path = tmp_path / "far.json"
    path.write_text(json.dumps(content))
    bank = NetworkBank(NetworkConfig(topology=str(path), bank_size=1))
    with pytest.raises(InvalidInput, match="cannot carry any demand"):
        bank.ensure(0)


def test_a_bank_bounds_the_memory_of_its_tables(tmp_path):
    edges = [
        {"source": "a", "target": f"s{k}", "length_km": 10.0, "preset": f"gys(misalignment={k}e-4)"}
        for k in range(70)
    ]
    nodes = [{"id": name} for name in ("a", *(edge["target"] for edge in edges))]
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"name": "many", "nodes": nodes, "edges": edges}))
    with pytest.raises(InvalidInput, match="71 different link presets, but must have at most 64"):
        NetworkBank(NetworkConfig(topology=str(path), bank_size=1))
