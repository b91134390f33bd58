"""What active links make in an interval: calibration, shot noise, observation, overflow, expiry."""

import numpy as np
import pytest
from scipy import stats

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.tables import rate_table

ALPHA = 1e-4
STEADY = {
    "bank_size": 1, "drift_std": 0.0, "outages_per_link_minute": 0.0,
    "attacks_per_link_minute": 0.0, "site_misalignment": 0.0, "link_excess_loss_db": 0.0,
    "fog_loss_db": 0.0,
}  # fmt: skip
INTERVAL_S = 30.0


class Network:
    """Episodes of one network, and the columns of its links."""

    def __init__(self, batch, **settings):
        self.core = Core("metro", {**STEADY, **settings}, batch, LINK_ACTIVATION)
        self.core.generators = [np.random.default_rng([17, b]) for b in range(batch)]
        self.core.start()
        self.sim, self.batch = self.core.simulator, batch
        self.n = int(self.sim.bank.networks["n_links"][0])
        self.facts = self.sim.bank.links[0, : self.n]

    def __getitem__(self, name):
        return self.sim.state.links[name][:, : self.n]

    def step(self, link=None):
        action = self.sim.max_links if link is None else link
        self.core.step(np.full(self.batch, action))

    def account(self, name):
        return self.sim.state.accounts[:, getattr(ACCOUNT, name)]


def test_key_and_qber_scatter_like_counts():
    """Key scatters by 1 / sqrt(n) of its mean, the QBER by sqrt(E (1 - E) / n), n sifted bits."""
    network = Network(200, pool_capacity_bits=2**50)
    table = rate_table("reference")
    rate, sifted, qber = table.look_up(network.facts["loss_db"], network.sim.config.misalignment)
    runs = np.flatnonzero((network.facts["plan"] == 1) & (rate > 0))
    before = network["stored_ever"].copy()
    network.step()
    made = (network["stored_ever"] - before)[:, runs] / INTERVAL_S
    counts = sifted[runs] * INTERVAL_S
    key = (made / rate[runs] - 1.0) * np.sqrt(counts)
    seen = network["observed_qber"][:, runs] * network.facts["qber_threshold"][runs] - qber[runs]
    error = seen / np.sqrt(qber[runs] * (1.0 - qber[runs]) / counts)
    for deviation in (key, error):
        assert stats.kstest(deviation.ravel(), "norm").pvalue > ALPHA
    # Both come from one draw of the link, but are independent.
    assert stats.pearsonr(key.ravel(), error.ravel()).pvalue > ALPHA
    observed = network["observed_rate"][:, runs] * network.facts["nominal_rate_bps"][runs]
    np.testing.assert_allclose(observed, made, rtol=1e-5, atol=1.0 / INTERVAL_S)


def test_a_qber_is_seen_as_a_half_at_most():
    """Where little more than dark counts click, many an estimate would lie above."""
    network = Network(50)
    network["excess_loss_db"][:] = 60.0
    network.step()
    runs = network.facts["plan"] == 1
    seen = network["observed_qber"][:, runs] * network.facts["qber_threshold"][runs]
    assert seen.max() == pytest.approx(0.5)
    assert 0.1 < (seen > 0.4999).mean() < 0.6
    assert (network.account("generated_bits") == 0).all()


def test_links_scatter_independently_and_anew_in_each_interval():
    network = Network(200, pool_capacity_bits=2**50)
    runs = np.flatnonzero(network.facts["plan"] == 1)[:2]
    rows = []
    for _ in range(2):
        before = network["stored_ever"].copy()
        network.step()
        rows.append((network["stored_ever"] - before)[:, runs].T)
    first, second = rows
    for one, other in ((first[0], first[1]), (first[0], second[0])):
        assert stats.pearsonr(one, other).pvalue > ALPHA


@pytest.mark.parametrize(
    ("calibration_s", "seconds"),
    [(0.0, [30, 30, 30]), (45.0, [0, 15, 30]), (60.0, [0, 0, 30]), (75.0, [0, 0, 15])],
)
def test_key_flows_from_the_second_in_which_calibration_ends(calibration_s, seconds):
    network = Network(8, calibration_s=calibration_s, pool_capacity_bits=2**50, load=1e-9)
    idle = np.flatnonzero((network.facts["plan"] == 0) & (network.facts["nominal_rate_bps"] > 1e4))
    link = int(idle[0])
    left = calibration_s
    for step, expected in enumerate(seconds):
        before = network["stored_ever"][:, link].copy()
        network.step(link if step == 0 else None)
        made = network["stored_ever"][:, link] - before
        assert made == pytest.approx(network.facts["nominal_rate_bps"][link] * expected, rel=0.05)
        left = max(left - INTERVAL_S, 0.0)
        assert (network["calibration_left_s"][:, link] == left).all()
        assert (network["running_time_s"][:, link] == INTERVAL_S * (step + 1)).all()
        # A rate is what was made in the seconds without calibration.
        if expected:
            np.testing.assert_allclose(network["observed_rate"][:, link], 1.0, atol=0.05)


def test_observations_of_idle_links_age_with_an_hour():
    network = Network(2, measured_share=1.0)
    idle = network["active"][0] == 0.0
    before = [network[name].copy() for name in ("freshness", "observed_rate", "observed_qber")]
    for _ in range(4):
        network.step()
    np.testing.assert_allclose(
        network["freshness"][:, idle], before[0][:, idle] * np.exp(-120.0 / 3600.0), rtol=1e-5
    )
    assert (network["freshness"][:, ~idle] == 1.0).all()
    for name, old in zip(("observed_rate", "observed_qber"), before[1:], strict=True):
        np.testing.assert_array_equal(network[name][:, idle], old[:, idle])


def test_what_a_full_pool_cannot_hold_is_lost():
    network = Network(4, pool_capacity_bits=400_000, initial_fill=0.9, load=1e-9)
    lost = 0
    for _ in range(6):
        before, ever = network["pool"].copy(), network["stored_ever"].copy()
        network.step()
        kept = network["stored_ever"] - ever
        made, overflow = network.account("generated_bits"), network.account("overflow_bits")
        np.testing.assert_array_equal(kept.sum(axis=1), made - overflow)
        assert (before + kept <= 400_000).all()
        full = before + kept == 400_000
        # Only a pool that is full now has lost anything.
        assert ((overflow == 0) | full.any(axis=1)).all()
        lost += overflow.sum()
    assert lost > 0


def test_key_expires_first_in_first_out():
    """A queue of batches per link, in plain Python, holds bit for bit what each pool holds."""
    network = Network(2, key_lifetime_s=150.0, load=1.5, initial_fill=0.5)
    lifetime = 5  # intervals of 30 s
    # The key of the start counts as stored in the first interval.
    queues = [[[(0, int(bits))] for bits in row] for row in network["pool"]]
    expired_ever = 0
    for interval in range(25):
        ever, left = network["stored_ever"].copy(), network["left_ever"].copy()
        network.step()
        kept = network["stored_ever"] - ever
        gone = network["left_ever"] - left
        for b in range(2):
            expired = 0
            for e in range(network.n):
                queue = queues[b][e]
                queue.append((interval, int(kept[b, e])))
                old = sum(bits for since, bits in queue if since <= interval - lifetime)
                expired += old
                queue[:] = [(since, bits) for since, bits in queue if since > interval - lifetime]
                used = int(gone[b, e]) - old
                while used:
                    since, bits = queue.pop(0)
                    if bits > used:
                        queue.insert(0, (since, bits - used))
                    used -= min(bits, used)
                assert sum(bits for _, bits in queue) == network["pool"][b, e]
            assert network.account("expired_bits")[b] == expired
            expired_ever += expired
    assert expired_ever > 0
