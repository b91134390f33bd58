"""Links whose presets have a block size make their key block by block."""

import json

import gymnasium as gym
import numpy as np
import pytest
from scipy import stats

from qkd_gym.bounds import episode_trace
from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, get_scenario
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.physics import BlockCounts, preset
from qkd_gym.physics.protocols.base import with_misalignment

ALPHA = 1e-4
PRESET = "reference(decoy=one, block_size=1e7, sifting=0.81)"
ALONE = {
    "name": "alone",
    "nodes": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
    "edges": [
        {"source": "a", "target": "b", "length_km": 20, "loss_db": 8.0},
        {"source": "b", "target": "c", "length_km": 20, "loss_db": 8.0, "preset": "reference"},
    ],
}
LINK, CONTINUOUS = 0, 1
STEADY = {
    "topology": ALONE, "bank_size": 1, "preset": PRESET, "drift_std": 0.0,
    "outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0, "site_misalignment": 0.0,
    "link_excess_loss_db": 0.0, "pool_capacity_bits": 2**50, "load": 1e-9, "initial_fill": 0.0,
    "calibration_s": 0.0, "episode_s": 36_000.0,
}  # fmt: skip
INTERVAL_S = 60.0


class Links:
    """Episodes on the network of two links, which both run: the first in blocks."""

    def __init__(self, batch=1, **settings):
        self.core = Core(NetworkConfig(**{**STEADY, **settings}), {}, batch, LINK_ACTIVATION)
        self.core.generators = [np.random.default_rng([3, b]) for b in range(batch)]
        self.core.start()
        self.state, self.batch = self.core.simulator.state, batch

    def __getitem__(self, name):
        return self.state.links[name][:, LINK]

    def block(self, name):
        return self.state.blocks[name][:, LINK]

    def step(self, link=None):
        """The key that the link in blocks brings in an interval, (batch,)."""
        before = self["stored_ever"].copy()
        self.core.step(np.full(self.batch, len(ALONE["edges"]) if link is None else link))
        return self["stored_ever"] - before

    def seen_bits(self):
        """The key of the interval by the rate that the operator sees."""
        facts = self.core.simulator.bank.links[0, LINK]
        return self["observed_rate"].astype(float) * facts["nominal_rate_bps"] * INTERVAL_S

    def now_s(self):
        return int(self.state.episodes["interval"][0]) * INTERVAL_S


def expected():
    """Seconds to fill a block, and its key, from the protocol itself."""
    protocol = preset(PRESET)
    budget = protocol.evaluate(10**-0.8, misalignment=0.015)
    seconds = 1e7 / (float(budget.gain) * 0.81 * 10e6)
    return seconds, float(budget.key_rate_bps) * seconds


def test_key_comes_when_a_block_is_full():
    seconds, key = expected()
    assert 150.0 < seconds < 250.0
    links = Links(20)
    links.block("filled")[:] = links.block("key_bits")[:] = links.block("qber_bits")[:] = 0.0
    brought = np.array([links.step() for _ in range(100)])
    full = np.floor((np.arange(100) + 1) * INTERVAL_S / seconds)
    due = np.diff(full, prepend=0.0)
    assert set(due) == {0.0, 1.0}
    # Sifted bits scatter by 1 / sqrt(1e7) of a block, which moves its end by .06 s.
    share = np.arange(1, 101) * INTERVAL_S / seconds % 1.0
    certain = (share > 0.002) & (share < 0.998)
    assert certain.mean() > 0.9
    np.testing.assert_array_equal((brought > 0)[certain], (due > 0)[certain][:, None].repeat(20, 1))
    np.testing.assert_allclose(brought[brought > 0], key, rtol=0.01)


def test_a_block_yields_the_rate_integrated_while_it_filled():
    """Whatever drifts meanwhile, to a bit a block and the digits of the rate that is seen."""
    links = Links(8, drift_std=0.008, drift_memory_s=600.0)
    made, brought, blocks = links.block("key_bits").copy(), np.zeros(8), 0
    for _ in range(200):
        key = links.step()
        made, brought, blocks = made + links.seen_bits(), brought + key, blocks + (key > 0)
    assert blocks.min() > 40
    np.testing.assert_allclose(made - links.block("key_bits"), brought, rtol=1e-6, atol=300.0)


def test_the_rate_and_the_error_rate_are_seen_all_the_time():
    links = Links(1)
    for _ in range(5):
        links.step()
        assert links["observed_rate"][0] == pytest.approx(1.0, abs=0.02)
        assert links["freshness"][0] == 1.0


def test_the_key_of_a_block_has_the_mean_error_rate_of_its_time():
    links = Links(1)
    links.block("filled")[:] = links.block("key_bits")[:] = links.block("qber_bits")[:] = 0.0
    key = []
    for drift in (0.0, 0.008, -0.01):
        links["drift"][:] = drift
        assert links.step()[0] == 0
        key.append((links.seen_bits()[0], 0.015 + drift))
    links["drift"][:] = 0.005
    brought = links.step()[0]
    assert brought > 0
    last = brought - sum(bits for bits, _ in key)
    mean = (sum(bits * error for bits, error in key) + last * 0.02) / brought
    assert links["pool_qber"][0] == pytest.approx(mean, abs=3e-4)


@pytest.mark.parametrize("rule", ["lost", "kept"])
def test_switching_away_loses_or_keeps_the_block(rule):
    links = Links(4, partial_blocks=rule)
    links.block("filled")[:] = 0.0
    for _ in range(2):
        links.step()
    before = links.block("filled").copy()
    assert (before > 0.4).all()
    links.step(LINK)  # off
    expected_after = before if rule == "kept" else np.zeros(4)
    np.testing.assert_array_equal(links.block("filled"), expected_after)
    links.step()
    np.testing.assert_array_equal(links.block("filled"), expected_after)
    links.step(LINK)  # on
    added = INTERVAL_S / expected()[0]
    np.testing.assert_allclose(links.block("filled"), expected_after + added, rtol=0.01)


@pytest.mark.parametrize("rule", ["lost", "kept"])
@pytest.mark.parametrize("fault", ["outage", "attack"])
def test_a_fault_loses_or_keeps_the_block_and_adds_nothing_to_it(rule, fault):
    links = Links(4, partial_blocks=rule)
    links.block("filled")[:] = 0.0
    links.step()
    before = [links.block(name).copy() for name in ("filled", "key_bits", "qber_bits")]
    assert (np.array(before) > 0.0).all()
    links[f"{fault}_until_s"][:] = links.now_s() + 90.0  # two intervals
    links["attack_fraction"][:] = 0.5
    for _ in range(2):
        assert (links.step() == 0).all()
    for name, value in zip(("filled", "key_bits", "qber_bits"), before, strict=True):
        np.testing.assert_array_equal(links.block(name), value if rule == "kept" else 0.0)
    links.step()
    added = INTERVAL_S / expected()[0]
    kept = before[0] if rule == "kept" else 0.0
    np.testing.assert_allclose(links.block("filled"), kept + added, rtol=0.01)


def test_several_blocks_may_be_full_in_an_interval():
    """Of 12 s each, as a faster clock makes them; what is left over waits for the next one."""
    links = Links(4, preset=PRESET.replace(")", ", repetition_rate_hz=160e6)"))
    made, brought = links.block("key_bits").copy(), np.zeros(4)
    for _ in range(20):
        key = links.step()
        made, brought = made + links.seen_bits(), brought + key
        assert (key > 3.9 * expected()[1]).all()
        assert (links.block("key_bits") < 1.01 * expected()[1]).all()
    np.testing.assert_allclose(made - links.block("key_bits"), brought, atol=100)


def test_links_without_block_size_make_key_continuously():
    links = Links(4)
    stored = links.state.links["stored_ever"][:, CONTINUOUS]
    for _ in range(5):
        before = stored.copy()
        links.step()
        assert (stored > before).all()
    observed = links.core.observe()["blocks"]
    assert observed.shape == (4, 2)
    assert (observed[:, CONTINUOUS] == 0.0).all()
    np.testing.assert_array_equal(observed[:, LINK], links.block("filled").astype(np.float32))


def test_no_block_is_observed_where_there_is_none():
    env = gym.make(LINK_ACTIVATION.env_id, scenario="metro")
    assert "blocks" not in env.observation_space.spaces
    assert env.unwrapped.core.simulator.arrays.blocks.size == 0


def test_blocks_of_the_start_are_anywhere_between_empty_and_full():
    """The links of the static plan have been running; their blocks do not end at the same time."""
    links = Links(400)
    filled = links.block("filled")
    assert stats.kstest(filled, "uniform").pvalue > ALPHA
    np.testing.assert_allclose(links.block("key_bits"), filled * expected()[1], rtol=0.01)
    np.testing.assert_allclose(links.block("qber_bits"), 0.015 * links.block("key_bits"), rtol=0.01)
    env = gym.make_vec(LINK_ACTIVATION.env_id, num_envs=20, scenario="metro-finite")
    observation, _ = env.reset(seed=0)
    active = observation["links"][..., 0] > 0.0
    assert (observation["blocks"][~active] == 0.0).all()
    running = np.unique(observation["blocks"][active])
    assert len(running) > 250  # of 20 times 18 links, a few in outage or past the threshold
    assert stats.kstest(running, "uniform").pvalue > ALPHA


@pytest.mark.parametrize("rule", ["lost", "kept"])
def test_key_is_conserved_under_random_switching(rule):
    config = get_scenario("metro-finite").replace(
        partial_blocks=rule, n_sites=10, bank_size=1, calibration_s=60.0, key_lifetime_s=3600.0,
        outages_per_link_minute=0.02, attacks_per_link_minute=0.02,
    )  # fmt: skip
    core = Core(config, {}, 4, LINK_ACTIVATION)
    core.generators = [np.random.default_rng(b) for b in range(4)]
    core.start()
    state, rng = core.simulator.state, np.random.default_rng(1)
    account = {name: state.accounts[:, getattr(ACCOUNT, name)] for name in ACCOUNT._fields}
    stored, generated = state.links["pool"].sum(axis=1), 0
    while not core.results.over.any():
        core.step(rng.integers(core.simulator.max_links + 1, size=4))
        left = account["consumed_bits"] + account["overflow_bits"] + account["expired_bits"]
        now = state.links["pool"].sum(axis=1)
        np.testing.assert_array_equal(now - stored, account["generated_bits"] - left)
        np.testing.assert_array_equal(now, account["stored_bits"])
        stored, generated = now, generated + account["generated_bits"]
        filled = state.blocks["filled"]
        assert filled.min() >= 0.0
        assert filled.max() < 1.0
        if rule == "lost":
            assert (filled[state.links["active"] == 0.0] == 0.0).all()
    assert (generated > 0).all()


@pytest.mark.parametrize(("apart", "least"), [(0.002, 0.995), (0.016, 0.9)])
def test_the_counts_of_a_whole_block_leave_little_less_than_the_integrated_rate(apart, least):
    """Halves of a block at two misalignments, as of drift within minutes and of two standard
    deviations: the rate is convex, so that counts taken together leave less."""
    protocol, rng, many = preset(PRESET), np.random.default_rng(0), 10_000
    half = many * round(expected()[0] * 10e6 / 2.0)
    counts, rates = [], []
    for error in (0.015 - apart / 2.0, 0.015 + apart / 2.0):
        shifted = with_misalignment(protocol, error)
        counts.append(shifted.sample_block(10**-0.8, half, rng))
        rates.append(float(shifted.evaluate(10**-0.8).key_rate_bps))
    names = ("key", "key_errors", "test", "test_errors")
    mean = (sum(getattr(each, name) for each in counts) / many for name in names)
    key = float(protocol.key_from_counts(BlockCounts(*mean)).length_bits)
    integrated = float(np.mean(rates)) * expected()[0]
    assert least * integrated < key < 1.002 * integrated


def test_the_bounds_refuse_blocks():
    config = get_scenario("metro-finite").replace(n_sites=10, bank_size=1)
    with pytest.raises(InvalidInput, match=r"preset is 'reference.*infinite block_size"):
        episode_trace(config, 0)


def test_the_configuration_says_what_becomes_of_blocks():
    with pytest.raises(InvalidInput, match="partial_blocks is 'gone'"):
        NetworkConfig(partial_blocks="gone")
    assert "partial_blocks" not in as_mapping(NetworkConfig())
    kept = NetworkConfig(partial_blocks="kept")
    assert NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(kept)))) == kept
