"""Draws are distributed as the truth is, given what was seen.

The truth's rank among draws is uniform if they are. Error rates are about 1e-4 a test, for other
seeds than the ones here.
"""

import numpy as np
import pytest
from playing import delivered, network_of, tracked

from qkd_gym.belief.records import FAULT, FAULT_ROW, QUALITY_ROW

MEMBERS, DRAWS = 64, 63


@pytest.fixture(scope="module")
def hidden():
    """A batch, and the draws for each member."""
    env, rng = tracked("hidden", MEMBERS, 60, bank_size=8), np.random.default_rng(1)
    return env, [env.core.tracker.imagine(b, DRAWS, rng) for b in range(MEMBERS)]


@pytest.fixture(scope="module")
def metro():
    """A batch in which faults and bursts have come and gone."""
    return tracked("metro", 160, 120, bank_size=8)


def assert_uniform(ranks, width):
    """Mean and variance of ranks in [0, 1] are within ``width`` standard errors of uniform ones."""
    ranks = np.asarray(ranks)
    assert abs(ranks.mean() - 0.5) < width * np.sqrt(1 / 12 / len(ranks))
    assert abs(ranks.var() - 1 / 12) < width * np.sqrt(1 / 180 / len(ranks))


def rank(draws, truth):
    return (draws < truth).mean(axis=0)


def test_misalignments_of_sites(hidden):
    """The sites of one network hang together, so that errors are larger than of as many coins."""
    env, draws = hidden
    truth = env.core.simulator.state.sites["misalignment"]
    ranks = np.array([rank(draws[b].misalignment, truth[b]) for b in range(MEMBERS)])
    assert_uniform(ranks.ravel(), 6.0)
    # And they are told apart: a prior would not know which site is which.
    means = np.array([each.misalignment.mean(axis=0) for each in draws])
    assert np.corrcoef(means.ravel(), truth.ravel())[0, 1] > 0.85


def test_misalignments_of_links_not_looked_at_now(hidden):
    env, draws = hidden
    state, ranks = env.core.simulator.state, []
    for b in range(MEMBERS):
        n_links, ends = network_of(env, b)
        truth = state.sites["misalignment"][b][ends].sum(axis=1) + state.links["drift"][b, :n_links]
        drawn = draws[b].misalignment[:, ends].sum(axis=2) + draws[b].drift
        ranks += rank(drawn, truth)[state.links["freshness"][b, :n_links] < 1.0].tolist()
    assert_uniform(ranks, 5.0)


def test_losses_that_were_seen_are_known(hidden):
    env, draws = hidden
    truth = env.core.simulator.state.links["excess_loss_db"]
    errors, ranks = [], []
    for b in range(MEMBERS):
        n_links, _ = network_of(env, b)
        known = np.isfinite(
            env.core.tracker.belief.quality[b, QUALITY_ROW.excess_loss_db, :n_links]
        )
        drawn = draws[b].excess_loss_db
        errors += np.abs(drawn[0] - truth[b, :n_links])[known].tolist()
        ranks += rank(drawn, truth[b, :n_links])[~known].tolist()
    assert np.median(errors) < 0.02  # dB, beside a mean of 1 dB
    assert np.mean(np.array(errors) < 0.2) > 0.95
    assert_uniform(ranks, 5.0)


@pytest.mark.parametrize(
    ("name", "kind"), [("outage_until_s", FAULT.outage), ("attack_until_s", FAULT.attack)]
)
def test_faults_and_their_ends(metro, name, kind):
    env, rng = metro, np.random.default_rng(1)
    state, now_s = env.core.simulator.state, 3600.0
    chances, true, ends, alarms, shares = [], [], [], [], []
    for b in range(160):
        n_links, _ = network_of(env, b)
        hidden = env.core.tracker.imagine(b, DRAWS, rng)
        drawn = getattr(hidden, name)
        until, fault = state.links[name][b, :n_links], env.core.tracker.belief.faults[b, kind]
        is_on = until > now_s
        chances += (drawn > now_s).mean(axis=0).tolist()
        true += is_on.tolist()
        fresh = state.links["freshness"][b, :n_links] == 1.0
        seen = fault[FAULT_ROW.last_s, :n_links] > fault[FAULT_ROW.clear_s, :n_links]
        alarms += (seen == is_on)[fresh].tolist()
        there = np.flatnonzero(is_on & fresh & seen)
        ends += [rank(drawn[:, e], until[e]) for e in there]
        errors = hidden.attack_fraction - state.links["attack_fraction"][b, :n_links]
        shares += np.abs(errors[:, there]).max(axis=0).tolist()
    chances, true = np.array(chances), np.array(true)
    assert np.mean(alarms) > 0.995
    assert_uniform(ends, 4.0)
    if kind == FAULT.attack:
        assert np.median(shares) < 0.1  # what alarms say of them; others are uniform from .45 on
    # As many as there are: of all links, and of those that are neither safe nor surely hit.
    for some in (chances >= 0.0, (chances > 0.01) & (chances < 0.9)):
        spread = np.sqrt((chances[some] * (1.0 - chances[some])).sum() + some.sum() / DRAWS * 0.05)
        assert abs(chances[some].sum() - true[some].sum()) < 4.0 * spread
    quiet, dubious = chances < 0.1, (chances > 0.3) & (chances < 0.97)
    assert true[dubious].mean() > 5.0 * true[quiet].mean()


def test_fog():
    env = tracked("metro-fog", 96, 120, bank_size=8)
    fog, state = env.core.tracker.belief.fog, env.core.simulator.state
    bank, chances, true = env.core.simulator.bank, [], []
    for b in range(96):
        districts = int(bank.networks["n_districts"][state.episodes["network"][b]])
        chances += fog[b, :districts].tolist()
        true += state.sites["fog"][b, :districts].tolist()
    chances, true = np.array(chances), np.array(true)
    assert true[chances < 0.05].mean() < 0.1 < 0.8 < true[chances > 0.9].mean()
    assert np.square(chances - true).mean() < 0.75 * true.var()
    assert abs(chances.mean() - true.mean()) < 4.0 * np.sqrt(0.25 / len(true))


def test_bursts_and_the_hot_spot(metro):
    env = metro
    belief, state = env.core.tracker.belief, env.core.simulator.state
    n = env.core.simulator.n_sites
    pair = np.full((n, n), -1)
    pair[np.triu_indices(n, 1)] = np.arange(n * (n - 1) // 2)
    on, at = np.zeros(belief.bursts.shape, bool), np.argwhere(state.bursts["on"] == 1)
    for b, k in at:
        first, second = sorted((state.bursts["first"][b, k], state.bursts["second"][b, k]))
        on[b, pair[first, second]] = True
    assert belief.bursts[on].mean() > 0.6  # of .004 before anything was seen
    assert abs(belief.bursts.sum() - on.sum()) < 4.0 * np.sqrt(on.sum())
    sure = belief.bursts > 0.5
    assert abs(on[sure].mean() - belief.bursts[sure].mean()) < 4.0 * np.sqrt(0.25 / sure.sum())
    rows = np.arange(160)
    assert belief.hot_spot[rows, state.episodes["hot_spot"]].mean() > 0.75
    np.testing.assert_allclose(belief.hot_spot.sum(axis=1), 1.0)
    drawn = env.core.tracker.imagine(0, 2000, np.random.default_rng(0))
    share = np.bincount(drawn.hot_spot, minlength=n) / 2000
    assert np.abs(share - belief.hot_spot[0]).max() < 5.0 * np.sqrt(0.25 / 2000)
    expected, running = belief.bursts[0].sum(), drawn.bursts["on"].sum(axis=1).mean()
    assert abs(running - expected) < 0.1


@pytest.mark.parametrize("scenario", ["metro", "hidden"])
def test_imagined_futures_deliver_as_much_as_true_ones(scenario):
    """A state drawn from a belief is, on average over presents, as good as the true one."""
    env = tracked(scenario, 80, 60, bank_size=8)
    honest = delivered(env.branch(6, seed=1), 40).reshape(80, 6).mean(axis=1)
    peeking = delivered(env.branch(6, seed=1, peek=True), 40).reshape(80, 6).mean(axis=1)
    apart = (honest - peeking) / peeking.mean()
    error = apart.std() / np.sqrt(80)
    assert error < 0.012
    assert abs(apart.mean()) < 4.0 * error
