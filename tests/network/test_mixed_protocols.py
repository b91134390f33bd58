"""Networks take any protocol, and may mix them link by link."""

import json

import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, get_scenario
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.reward import RewardTerms
from qkd_gym.network.tables import rate_table
from qkd_gym.physics import available_presets, preset
from qkd_gym.topology import Topology, load


@pytest.mark.parametrize("name", [n for n in available_presets() if n != "b92"])
def test_table_follows_every_protocol(name):
    """Between the grid points as well, to the accuracy of the grid."""
    loss_db = np.array([0.55, 1.6, 3.33])
    rate, _, qber = rate_table(name).look_up(loss_db, 0.0111)
    budget = preset(name).evaluate(10 ** (-loss_db / 10), misalignment=0.0111)
    np.testing.assert_allclose(rate, budget.key_rate_bps, rtol=0.02)
    np.testing.assert_allclose(qber, budget.qber, rtol=0.01, atol=1e-4)
    assert (rate > 0).all()


@pytest.mark.parametrize("scenario", ["metro-finite", "hybrid", "vienna"])
def test_named_scenarios_run(scenario):
    config = get_scenario(scenario).replace(episode_s=1800.0)
    core = Core(config, {}, 2, LINK_ACTIVATION)
    core.generators = [np.random.default_rng(i) for i in range(2)]
    core.start()
    simulator = core.simulator
    generated = 0
    while not core.results.over.any():
        core.step(np.full(2, simulator.max_links))
        generated += simulator.state.accounts[:, ACCOUNT.generated_bits].sum()
    assert generated > 0


def test_finite_blocks_cost_key():
    finite, asymptotic = (
        NetworkBank(get_scenario("metro").replace(preset=name))
        for name in (
            "reference(decoy=vacuum+weak, block_size=1e8)",
            "reference(decoy=vacuum+weak)",
        )
    )
    for bank in (finite, asymptotic):
        bank.ensure(0)
    rates = [bank.arrays.links["nominal_rate_bps"][0] for bank in (finite, asymptotic)]
    alive = rates[1] > 0
    assert (rates[0] <= rates[1]).all()
    assert (rates[0][alive] < rates[1][alive]).all()


def mixed_network(tmp_path, **edge):
    edges = [
        {"source": "a", "target": "b", "length_km": 10.0, "preset": "cv-metro"},
        {"source": "b", "target": "c", "length_km": 10.0},
        {"source": "a", "target": "c", "length_km": 10.0, **edge},
    ]
    content = {"name": "mixed", "nodes": [{"id": x} for x in "abc"], "edges": edges}
    path = tmp_path / "mixed.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_file_gives_the_protocol_of_each_link(tmp_path):
    path = mixed_network(tmp_path, preset="spdc(misalignment=0.03)")
    network = load(path)
    assert network.link_presets == ("cv-metro", "spdc(misalignment=0.03)", "")
    again = Topology.from_networkx(network.to_networkx())
    assert again.link_presets == network.link_presets
    bank = NetworkBank(NetworkConfig(topology=path, bank_size=1, misalignment=0.0))
    bank.ensure(0)
    facts = bank.arrays.links[0]
    for link, name in enumerate(("cv-metro", "spdc", "reference")):
        protocol = preset(name)
        budget = protocol.evaluate(10**-0.2, misalignment=0.0)
        assert facts["nominal_rate_bps"][link] == pytest.approx(
            float(budget.key_rate_bps), rel=0.01
        )
        assert facts["qber_threshold"][link] == pytest.approx(float(protocol.qber_threshold))


def test_reward_weighs_each_link_by_its_own_threshold(tmp_path):
    config = NetworkConfig(
        topology=mixed_network(tmp_path), bank_size=1, outages_per_link_minute=0.0,
        attacks_per_link_minute=0.0, drift_std=0.0, modules_per_site=2, max_hops=1,
        candidate_paths=1,
    )  # fmt: skip
    core = Core(config, {}, 1, LINK_ACTIVATION)
    core.generators = [np.random.default_rng(0)]
    core.start()
    simulator = core.simulator
    facts = simulator.bank.links[0]
    checked = 0
    while not core.results.over.any():
        before = simulator.state.links["left_ever"][0].copy()
        core.step(np.array([simulator.max_links]))
        delivered = simulator.state.accounts[0, ACCOUNT.delivered_bits]
        if delivered:
            drawn = simulator.state.links["left_ever"][0] - before
            assert drawn.sum() == delivered
            relative_qber = simulator.state.links["pool_qber"][0] / facts["qber_threshold"]
            expected = -config.qber_weight * (drawn * relative_qber).sum() / delivered
            terms = RewardTerms(*simulator.arrays.reward_terms[0])
            assert terms.qber == pytest.approx(expected)
            checked += len(set(np.flatnonzero(drawn))) > 1
    assert checked


def test_generated_hybrid_networks_mix_evenly():
    bank = NetworkBank(get_scenario("hybrid").replace(bank_size=30))
    names = np.concatenate([bank.topology(index).link_presets for index in range(30)])
    counts = np.unique(names, return_counts=True)[1]
    assert len(counts) == 3
    assert abs(counts / counts.sum() - 1 / 3).max() < 5 * np.sqrt(2 / 9 / counts.sum())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refrence", "Did you mean 'reference'"),
        ("reference(decoi=one)", "Did you mean 'decoy'"),
        ("reference(decoy)", "must be FIELD=VALUE"),
        ("lim-ingaas(block_size=0)", r"block_size is 0, but must be in \[1, 1e\+30\]"),
        ("reference(detector.efficiency=1.5)", r"efficiency is 1.5, but must be in \[1e-06, 1\]"),
        ("reference(detector=3)", "its own fields must be set"),
        ("reference(decoy.name=3)", "has no field 'name'"),
        ("cv-metro(trusted_detector=perhaps)", "'true', 'false'"),
    ],
)
def test_bad_presets_are_named(name, words, tmp_path):
    with pytest.raises(InvalidInput, match=words):
        NetworkConfig(preset=name)
    with pytest.raises(InvalidInput, match=rf"link 'a' to 'c'.*{words}"):
        load(mixed_network(tmp_path, preset=name))


def test_presets_can_be_changed():
    changed = preset("reference(decoy='one', block_size=1e8, detector.efficiency=0.2)")
    assert (changed.decoy, changed.block_size) == ("one", 1e8)
    assert changed.detector.efficiency == 0.2
    assert changed.detector.dark_count_probability == 1e-6
    assert not preset("cv-metro(trusted_detector=false)").trusted_detector
