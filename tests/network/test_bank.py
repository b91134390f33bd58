"""The networks that episodes draw from: traffic, plans, and that no processor shows in them."""

import dataclasses

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.traffic import gravity
from qkd_gym.topology import clustered, load


def test_gravity_falls_by_e_over_its_distance():
    topology = load("madrid")
    traffic = gravity(topology, 60.0)
    assert traffic.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(traffic, traffic.T)
    position, weight = topology.positions_km, topology.site_weight
    for i, j, k in ((0, 1, 2), (3, 1, 0)):
        apart = [np.hypot(*(position[i] - position[m])) for m in (j, k)]
        expected = weight[j] / weight[k] * np.exp((apart[1] - apart[0]) / 60.0)
        assert traffic[i, j] / traffic[i, k] == pytest.approx(expected, rel=1e-6)


def test_traffic_does_not_depend_on_last_bits():
    topology = clustered(20, seed=1)
    moved = dataclasses.replace(topology, positions_km=topology.positions_km * (1.0 + 2e-16))
    assert gravity(topology, 60.0).tobytes() == gravity(moved, 60.0).tobytes()


@pytest.mark.parametrize("distance_km", [1e-320, 1e-9, 1e-3, 0.05])
def test_a_distance_that_leaves_a_site_without_demand_is_refused(distance_km):
    with pytest.raises(InvalidInput, match=r"gravity_distance_km is .* are these kilometres\?"):
        gravity(load("madrid"), distance_km)


def test_rates_of_unlike_protocols_leave_a_plan():
    config = NetworkConfig(
        n_sites=60,
        bank_size=1,
        bank_seed=486592274,
        split="test",
        hybrid_presets=("cv-metro",),
        candidate_paths=1,
    )
    bank = NetworkBank(config)
    bank.ensure(0)
    assert bank.arrays.networks["mean_offered_bps"][0] > 0.0
    assert bank.arrays.links["plan"][0].sum() > 30
