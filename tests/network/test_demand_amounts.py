"""How much key is requested, against programs that can be solved by hand.

Load 1 is the largest demand that the links can carry if every site shares its modules at best.
"""

import json

import numpy as np
import pytest

from qkd_gym.network import NetworkConfig
from qkd_gym.network.bank import NetworkBank
from qkd_gym.physics import preset

LENGTHS_KM = (10.0, 25.0)
GRAVITY_KM = 40.0


@pytest.fixture
def chain(tmp_path):
    """Sites a, b and c in a row."""
    places = np.cumsum([0.0, *LENGTHS_KM]).tolist()
    nodes = [{"id": i, "x_km": x, "y_km": 0.0} for i, x in zip("abc", places, strict=True)]
    ends = zip("ab", "bc", LENGTHS_KM, strict=True)
    edges = [{"source": i, "target": j, "length_km": km} for i, j, km in ends]
    path = tmp_path / "chain.json"
    path.write_text(json.dumps({"name": "chain", "nodes": nodes, "edges": edges}))
    return str(path)


def link_rates_bps(misalignment):
    eta = 10.0 ** (-0.2 * np.array(LENGTHS_KM) / 10.0)
    return preset("reference").evaluate(eta, misalignment=misalignment).key_rate_bps


def demand_on_links():
    """What each link carries of a total demand of 1; the third pair uses both."""
    gaps = np.array([LENGTHS_KM[0], LENGTHS_KM[1], sum(LENGTHS_KM)])
    share = np.exp(-gaps / GRAVITY_KM) / np.exp(-gaps / GRAVITY_KM).sum()
    return np.array([share[0] + share[2], share[1] + share[2]])


@pytest.mark.parametrize("load", [1.0, 0.4])
@pytest.mark.parametrize("modules", [1, 2])
def test_offered_demand_is_the_load_times_what_the_links_can_carry(chain, load, modules):
    config = NetworkConfig(
        topology=chain, bank_size=1, load=load, modules_per_site=modules,
        gravity_distance_km=GRAVITY_KM,
    )  # fmt: skip
    bank = NetworkBank(config)
    bank.ensure(0)
    busy = demand_on_links() / link_rates_bps(config.misalignment)  # share of time per bit/s
    # With two modules both links always run; one module of b is shared in time between them.
    carried_bps = 1.0 / (busy.max() if modules == 2 else busy.sum())
    facts = bank.arrays.networks[0]
    assert facts["mean_offered_bps"] == pytest.approx(load * carried_bps, rel=5e-3)
    requests_per_s = config.requests_per_site_hour * 3 / 3600.0
    assert facts["mean_request_bits"] * requests_per_s == pytest.approx(facts["mean_offered_bps"])
