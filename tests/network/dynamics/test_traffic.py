"""Who asks for key, when and for how much: hot spots, bursts, the daily cycle, sizes.

Statistics over episodes of one network; each test rejects a correct simulator with probability
below 1e-4. Seeds are fixed.
"""

import numpy as np
import pytest
from scipy import stats

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.traffic import gravity

ALPHA = 1e-4
EPISODES = 200
PLAIN = {"diurnal_amplitude": 0.0, "hot_spot_share": 0.0, "burst_share": 0.0, "bank_size": 1}
INTERVAL_S = 30.0


def start(**settings):
    core = Core("metro", {**PLAIN, **settings}, EPISODES, LINK_ACTIVATION)
    core.generators = [np.random.default_rng([23, b]) for b in range(EPISODES)]
    core.start()
    return core


def advance(core, steps=1):
    for _ in range(steps):
        core.step(np.full(EPISODES, core.simulator.max_links))


def requests(core):
    """First sites, second sites, bits and episodes of the requests of the last interval."""
    state = core.simulator.state
    count = state.episodes["n_requests"]
    member = np.repeat(np.arange(EPISODES), count)
    made = np.concatenate([state.requests[b, :n] for b, n in enumerate(count)])
    return made["first"], made["second"], made["bits"], member


def pair_shares(core):
    topology = core.simulator.networks.topology(0)
    return gravity(topology, core.config.gravity_distance_km)


def gathered(core, steps):
    rows = []
    for _ in range(steps):
        advance(core)
        hot_spot = core.simulator.state.episodes["hot_spot"].copy()
        first, second, bits, member = requests(core)
        rows.append((first, second, bits, member, hot_spot[member]))
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("sigma", [0.25, 1.0])
def test_sizes_are_lognormal_with_the_mean_of_the_network(sigma):
    core = start(request_size_sigma=sigma)
    _, _, bits, _, _ = gathered(core, 8)
    mean = core.simulator.bank.networks["mean_request_bits"][0]
    logs = (np.log(bits / mean) + sigma**2 / 2.0) / sigma
    assert stats.kstest(logs, "norm").pvalue > ALPHA


def test_the_hot_spot_is_one_end_of_its_share_of_the_requests():
    core = start(hot_spot_share=0.5, hot_spot_s=1e9)
    first, second, _, _, hot_spot = gathered(core, 8)
    hit = (first == hot_spot) | (second == hot_spot)
    # Of the other half, each takes its chance in the traffic matrix.
    by_chance = pair_shares(core).sum(axis=1)[hot_spot] * 2.0
    chance = 0.5 + 0.5 * by_chance
    spread = np.sqrt((chance * (1.0 - chance)).sum())
    assert abs(hit.sum() - chance.sum()) < stats.norm.isf(ALPHA / 2) * spread
    # The other end is drawn by the traffic matrix as well.
    matrix = pair_shares(core)
    spot = np.bincount(hot_spot).argmax()
    peers = np.where(first == spot, second, first)[hit & (hot_spot == spot)]
    seen = np.bincount(peers, minlength=len(matrix))
    expected = matrix[spot] / matrix[spot].sum() * seen.sum()
    large = expected > 5
    rest = [[values[large].sum(), values[~large].sum()] for values in (seen, expected)]
    seen = np.append(seen[large], rest[0][1])
    expected = np.append(expected[large], rest[1][1])
    kept = expected > 0
    assert stats.chisquare(seen[kept], expected[kept]).pvalue > ALPHA


@pytest.mark.parametrize("mean_s", [60.0, 600.0])
def test_hot_spots_move_after_their_mean_time(mean_s):
    core = start(hot_spot_share=0.5, hot_spot_s=mean_s)
    episodes = core.simulator.state.episodes
    before, moved, chance = episodes["hot_spot"].copy(), 0, 0.0
    share = pair_shares(core).sum(axis=1)
    for _ in range(10):
        advance(core)
        moved += (episodes["hot_spot"] != before).sum()
        # A move may draw the same site again.
        chance += (-np.expm1(-INTERVAL_S / mean_s) * (1.0 - share[before])).sum()
        before = episodes["hot_spot"].copy()
    assert abs(moved - chance) < stats.norm.isf(ALPHA / 2) * np.sqrt(chance)


def test_a_burst_adds_its_rate_between_its_two_sites():
    """With three sources that are on for a quarter of the time, one adds .4 / .75 to the mean."""
    core = start(burst_share=0.4, burst_sources=3, burst_on_s=3e8, burst_off_s=9e8)
    bursts = core.simulator.state.bursts
    on = bursts["on"].astype(bool)
    assert stats.binomtest(int(on.sum()), on.size, 0.25).pvalue > ALPHA
    mean = core.config.requests_per_site_hour * core.simulator.n_sites * INTERVAL_S / 3600.0
    steps, expected, seen, within = 20, 0.0, 0, 0
    for _ in range(steps):
        advance(core)
        first, second, _, member = requests(core)
        seen += len(first)
        expected += (mean * (0.6 + 0.4 / 0.75 * on.sum(axis=1))).sum()
        ends = np.sort(np.stack([bursts["first"], bursts["second"]], axis=-1), axis=-1)[member]
        own = on[member] & (ends == np.stack([first, second], axis=-1)[:, None]).all(axis=-1)
        within += own.any(axis=1).sum()
    assert abs(seen - expected) < stats.norm.isf(ALPHA / 2) * np.sqrt(expected)
    # Gravity alone seldom gives the pair of a burst.
    from_bursts = mean * 0.4 / 0.75 * on.sum() * steps
    spread = stats.norm.isf(ALPHA / 2) * np.sqrt(from_bursts)
    assert from_bursts - spread < within < 1.1 * from_bursts + spread


def test_bursts_start_and_stop_at_their_rates():
    core = start(burst_share=0.4, burst_sources=8, burst_on_s=120.0, burst_off_s=480.0)
    bursts, counts = core.simulator.state.bursts, np.zeros((2, 2))
    for _ in range(15):
        before = bursts["on"].copy()
        advance(core)
        np.add.at(counts, (before, (bursts["on"] != before).astype(int)), 1)
    for was_on, mean_s in ((0, 480.0), (1, 120.0)):
        chance = -np.expm1(-INTERVAL_S / mean_s)
        changed, total = counts[was_on, 1], counts[was_on].sum()
        assert stats.binomtest(int(changed), int(total), chance).pvalue > ALPHA


def test_demand_swings_with_the_time_of_day_of_both_ends():
    """The rate of a pair is its mean x (1 + A (sin(t + p_i) + sin(t + p_j)) / 2)."""
    amplitude = 0.8
    core = start(diurnal_amplitude=amplitude)
    bank, episodes = core.simulator.bank, core.simulator.state.episodes
    sites = bank.sites[0]
    matrix = pair_shares(core)
    mean = core.config.requests_per_site_hour * core.simulator.n_sites * INTERVAL_S / 3600.0
    swing, expected, seen = [], [], []
    for _ in range(12):
        sine, cosine = episodes["day_sin"].copy(), episodes["day_cos"].copy()
        np.testing.assert_allclose(sine**2 + cosine**2, 1.0)
        advance(core)
        _, _, _, member = requests(core)
        at_site = sine[:, None] * sites["phase_cos"] + cosine[:, None] * sites["phase_sin"]
        pair = (at_site[:, :, None] + at_site[:, None, :]) / 2.0
        swing.append((matrix * pair).sum(axis=(1, 2)))
        expected.append(mean * (1.0 + amplitude * swing[-1]))
        seen.append(np.bincount(member, minlength=EPISODES))
    swing, expected, seen = (np.concatenate(x) for x in (swing, expected, seen))
    high = swing > np.median(swing)
    for part in (high, ~high):
        spread = stats.norm.isf(ALPHA / 2) * np.sqrt(expected[part].sum())
        assert abs(seen[part].sum() - expected[part].sum()) < spread
    assert expected[high].sum() > 1.2 * expected[~high].sum()


def test_the_clock_starts_anywhere_and_turns_once_a_day():
    core = start(diurnal_period_s=7200.0)
    episodes = core.simulator.state.episodes
    angle = np.arctan2(episodes["day_sin"], episodes["day_cos"])
    assert stats.kstest((angle + np.pi) / (2.0 * np.pi), "uniform").pvalue > ALPHA
    advance(core, 5)
    later = np.arctan2(episodes["day_sin"], episodes["day_cos"])
    turned = np.mod(later - angle, 2.0 * np.pi)
    np.testing.assert_allclose(turned, 2.0 * np.pi * 150.0 / 7200.0, rtol=1e-9)


def test_recent_demand_is_an_exponential_average():
    core = start(demand_memory_s=300.0, load=1.3)
    sim = core.simulator
    decay = np.exp(-INTERVAL_S / 300.0)
    average = np.zeros((EPISODES, sim.n_sites))
    for _ in range(6):
        advance(core)
        first, second, bits, member = requests(core)
        now = np.zeros_like(average)
        for ends in (first, second):
            np.add.at(now, (member, ends), bits)
        # Requests count in full in the interval in which they came, and fade with it.
        average = decay * (average + (1.0 - decay) / INTERVAL_S * now)
        np.testing.assert_allclose(sim.state.sites["demand_average"], average, rtol=1e-4)
    blocked = sim.state.sites["blocked_average"]
    assert (blocked <= sim.state.sites["demand_average"] * (1 + 1e-5)).all()
    assert (sim.state.accounts[:, ACCOUNT.requests] == sim.state.episodes["n_requests"]).all()
