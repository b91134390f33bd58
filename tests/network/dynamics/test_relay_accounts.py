"""Every account of a request, against the request, the path and the pools before it."""

import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import ROUTING
from qkd_gym.network.accounts import ACCOUNT

CAPACITY = 20_000_000


class Waiting:
    """The waiting request of one episode, and the state before it is decided."""

    def __init__(self, core):
        self.core, self.sim = core, core.simulator
        state, bank = self.sim.state, self.sim.bank
        self.g = int(state.episodes["network"][0])
        self.interval = int(state.episodes["interval"][0])
        first, second, bits, *_ = state.requests[0, state.episodes["cursor"][0]].tolist()
        self.ends, self.bits = [first, second], bits
        n = self.sim.n_sites
        row = [(i, j) for i in range(n) for j in range(i + 1, n)].index((first, second))
        hops = bank.path_hops[self.g, row]
        self.paths = [bank.path_links[self.g, row, k, :h] for k, h in enumerate(hops) if h]
        self.links = {
            name: state.links[name][0].astype(np.float64).copy()
            for name in ("pool", "left_ever", "pool_qber", "demand_now", "blocked_now")
        }
        self.sites = {
            name: state.sites[name][0].astype(np.float64).copy()
            for name in ("demand_average", "blocked_average")
        }

    def holds(self, path):
        return (self.links["pool"][path] >= self.bits).all()

    def cheapest(self):
        """The path that lacks key on the fewest links, then of the smallest summed price."""

        def key(path):
            fill = self.links["pool"][path] / CAPACITY
            price = 1.0 + 10.0 * np.expm1(5.0 * (1.0 - fill)) / np.expm1(5.0)
            return (self.links["pool"][path] < self.bits).sum(), round(price.sum(), 3)

        return min(self.paths, key=key)


@pytest.mark.parametrize("seed", range(3))
def test_accounts_of_each_request(seed):
    settings = {
        "bank_size": 1, "pool_capacity_bits": CAPACITY, "initial_fill": 0.4, "load": 1.5,
        "max_hops": 4, "hybrid_presets": ("spdc",),
    }  # fmt: skip
    core = Core("control-modules", settings, 1, ROUTING)
    core.generators = [np.random.default_rng([41, seed])]
    core.start()
    rng, refuse = np.random.default_rng(seed), core.config.candidate_paths
    config, step_s = core.config, float(core.simulator.params["interval_s"][0])
    gain = (1.0 - np.exp(-step_s / config.demand_memory_s)) / step_s
    kinds = {"served": 0, "illegal": 0, "refused": 0}
    for _ in range(250):
        now = Waiting(core)
        possible = [k for k, path in enumerate(now.paths) if now.holds(path)]
        action = int(rng.choice(possible)) if possible and rng.random() < 0.6 else refuse
        if rng.random() < 0.3:
            action = int(rng.integers(refuse + 1))
        core.step(np.array([action]))
        accounts = dict(zip(ACCOUNT._fields, core.simulator.state.accounts[0], strict=True))
        served = action in possible
        path = now.paths[action] if served else now.cheapest() if now.paths else []
        kinds["served" if served else "refused" if action == refuse else "illegal"] += 1

        assert (accounts["offered_bits"], accounts["requests"]) == (now.bits, 1)
        assert accounts["delivered_bits"] == (now.bits if served else 0)
        assert accounts["blocked_bits"] == (0 if served else now.bits)
        assert accounts["consumed_bits"] == (now.bits * len(path) if served else 0)
        assert accounts["illegal_actions"] == (not served and action != refuse)
        assert accounts["switches"] == 0
        links = core.simulator.state.links
        taken = np.zeros(core.simulator.max_links)
        taken[path if served else []] = now.bits
        np.testing.assert_array_equal(links["left_ever"][0] - now.links["left_ever"], taken)
        qber = now.links["pool_qber"][path].mean() if served else 0.0
        assert core.results.qber_weighted_bits[0] == pytest.approx(now.bits * qber, rel=1e-5)
        threshold = core.simulator.bank.links[now.g]["qber_threshold"]
        relative = (now.links["pool_qber"][path] / threshold[path]).mean() if served else 0.0
        mean_bits = core.simulator.bank.networks[now.g]["mean_request_bits"]
        key = config.key_weight * accounts["delivered_bits"] / mean_bits
        expected = key - config.qber_weight * relative
        assert core.results.reward[0] == pytest.approx(expected, rel=1e-5)

        if int(core.simulator.state.episodes["interval"][0]) == now.interval:
            # No time has passed: the pools and what agents know of demand have changed by this.
            np.testing.assert_array_equal(now.links["pool"] - links["pool"][0], taken)
            wanted, lacking = np.zeros_like(taken), np.zeros_like(taken)
            wanted[path] = now.bits
            if not served and len(path):
                short = path[now.links["pool"][path] < now.bits]
                lacking[short] = now.bits
            for name, change in (("demand_now", wanted), ("blocked_now", lacking)):
                np.testing.assert_allclose(links[name][0], now.links[name] + change, rtol=1e-6)
            ends = np.zeros(core.simulator.n_sites)
            ends[now.ends] = gain * now.bits
            for name, part in (("demand_average", 1.0), ("blocked_average", float(not served))):
                found = core.simulator.state.sites[name][0]
                np.testing.assert_allclose(found, now.sites[name] + part * ends, rtol=1e-5)
        if core.results.over[0]:
            break
    assert min(kinds.values()) > 10
