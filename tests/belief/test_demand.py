"""The filters of demand, beside the same ones in a few lines of matrices."""

import numpy as np
from playing import tracked

from qkd_gym.network.traffic import gravity


class Reference:
    """Filters of one episode, with a dense matrix of what each site sends to each pair."""

    def __init__(self, simulator):
        self.config, self.n = simulator.config, simulator.n_sites
        self.interval_s = float(simulator.params["interval_s"][0])
        g = int(simulator.state.episodes["network"][0])
        traffic = gravity(simulator.networks.topology(g), self.config.gravity_distance_km)
        self.pairs = np.triu_indices(self.n, 1)
        sites = simulator.bank.sites[g]
        self.sin, self.cos = (
            sites[name][self.pairs[0]].astype(float) + sites[name][self.pairs[1]]
            for name in ("phase_sin", "phase_cos")
        )
        self.share, self.at_site = 2.0 * traffic[self.pairs], traffic.sum(axis=1)
        ends = np.stack(self.pairs)
        self.to_pair = np.zeros((self.n, len(self.share)))
        for h in range(self.n):
            touches = (ends == h).any(axis=0)
            self.to_pair[h, touches] = self.share[touches] / 2.0 / self.at_site[h]
        config = self.config
        on_share = config.burst_on_s / (config.burst_on_s + config.burst_off_s)
        self.burst_rate = config.burst_share / (config.burst_sources * on_share)
        self.bursts = config.burst_sources * on_share * self.share
        self.hot_spot = self.at_site.copy()

    def update(self, counts, day_sin, day_cos):
        config = self.config
        changes = [-np.expm1(-self.interval_s / getattr(config, name)) for name in
                   ("burst_on_s", "burst_off_s", "hot_spot_s")]  # fmt: skip
        starting = (config.burst_sources - self.bursts.sum()) * changes[1] * self.share
        self.bursts = self.bursts * (1.0 - changes[0]) + (1.0 - self.bursts) * starting
        self.hot_spot += changes[2] * (self.at_site - self.hot_spot)
        swing = day_sin * self.cos + day_cos * self.sin
        mean = config.requests_per_site_hour / 3600.0 * self.n * self.interval_s
        mean = mean * (1.0 + config.diurnal_amplitude / 2.0 * swing)
        base = mean * (1.0 - config.burst_share - config.hot_spot_share) * self.share
        hot, burst = mean * config.hot_spot_share * self.to_pair, mean * self.burst_rate
        cold = base + burst * self.bursts
        tilt = (counts * np.log(1.0 + hot / cold) - hot).sum(axis=1)
        quiet = base + self.hot_spot @ hot
        odds = (1.0 + burst / quiet) ** counts * np.exp(-burst)
        self.bursts = self.bursts * odds / (1.0 - self.bursts + self.bursts * odds)
        self.hot_spot = self.hot_spot * np.exp(tilt)
        self.hot_spot /= self.hot_spot.sum()


def test_filters_follow_the_requests():
    """With a short day, so that the time at which requests are drawn matters."""
    env = tracked("metro", 1, 0, diurnal_period_s=900.0, n_sites=10, bank_size=2)
    sim, belief = env.core.simulator, env.core.tracker.belief
    reference = Reference(sim)
    np.testing.assert_allclose(belief.bursts[0], reference.bursts, rtol=1e-9)
    likeliest = 0.0
    for _ in range(60):
        day_sin, day_cos = sim.state.episodes[["day_sin", "day_cos"]][0]  # before the step
        env.step(np.array([env.single_action_space.n - 1]))
        requests = sim.state.requests[0, : sim.state.episodes["n_requests"][0]]
        counts = np.zeros((sim.n_sites, sim.n_sites))
        np.add.at(counts, (requests["first"], requests["second"]), 1)
        reference.update(counts[reference.pairs], day_sin, day_cos)
        np.testing.assert_allclose(belief.bursts[0], reference.bursts, rtol=1e-6)
        np.testing.assert_allclose(belief.hot_spot[0], reference.hot_spot, rtol=1e-6)
        likeliest = max(likeliest, belief.bursts.max())
    assert likeliest > 0.5  # a burst was noticed
