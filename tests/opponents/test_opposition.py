"""What the budget allows, that a seed is an episode, and whom the attacks hit."""

import copy
import itertools
import pickle

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from qkd_gym.bounds import episode_trace
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING, TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import resolve
from qkd_gym.opponents import available_opponents
from qkd_gym.testing import check_env
from tests.opponents.playing import SMALL, assert_same, draw, make, play

ALPHA = 1e-4
QUIET = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0}
IDS = [task.env_id for task in TASKS.values()]


class Answers:
    """Answers what it is told to."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, view):
        return self.answer(view)


def against(answer, **changes):
    """An environment whose opponent answers by a function, from its second decision on."""
    env = make("random", **{**QUIET, **changes})
    env.core.opposition.opponent = Answers(answer)
    return env


@pytest.mark.parametrize("budget", [1, 3, 1000])
@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("name", available_opponents())
def test_attacks_stay_within_their_budget(name, env_id, budget):
    limits = {"opponent_delay_s": 240.0, "attack_min_s": 150.0, "attack_fraction": 0.6}
    env = make(name, env_id, opponent_links=budget, **QUIET, **limits)
    state, attacks = env.core.simulator.state, env.core.opposition.attacks
    rng, begun, before = np.random.default_rng(1), 0, np.full(4, -1)
    for _ in range(60):
        interval, links = state.episodes["interval"].copy(), state.links
        now_s = interval[:, None] * np.float32(60.0)
        assert ((attacks.until_s > now_s).sum(axis=1) <= budget).all()
        np.testing.assert_array_equal(links["attack_until_s"], attacks.until_s)
        assert set(np.unique(links["attack_fraction"])) <= {0.0, np.float32(0.6)}
        # It decides where time has passed.
        is_new = (attacks.until_s == now_s + 150.0) & (interval != before)[:, None]
        assert (links["active"][is_new] == 1.0).all()
        assert (links["running_time_s"][is_new] >= 240.0).all()
        begun += is_new.sum()
        before, until_s = interval, attacks.until_s.copy()
        env.step(draw(env, rng))
        goes_on = until_s > state.episodes["interval"][:, None] * 60.0
        goes_on &= ~env.core.results.over[:, None]
        assert (attacks.until_s[goes_on] == until_s[goes_on]).all()
    assert begun >= 4


def test_links_under_attack_make_no_key():
    env = against(lambda view: view.is_open * 1.0, opponent_links=1000)
    hold = np.full(4, env.single_action_space.n - 1)
    env.step(hold)
    assert (env.step(hold)[4]["generated_bits"] == 0).all()
    plain = make("random", **QUIET)
    plain.core.opposition = None
    plain.step(hold)
    assert (plain.step(hold)[4]["generated_bits"] > 0).all()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("name", ["random", "busiest"])
def test_the_same_seed_is_the_same_episode_alone_and_beside_others(task, name):
    check_env(task.env_id, steps=60, opponent=name, **SMALL)


def test_threads_change_nothing():
    assert_same(play(make(num_envs=9), 40), play(make(num_envs=9, threads=3), 40))


def test_later_episodes_are_the_same_whenever_they_start():
    rewards = []
    for mode in ("SameStep", "NextStep"):
        env = make(episode_s=600.0, autoreset_mode=mode)
        hold = np.full(4, env.single_action_space.n - 1)
        rewards.append([env.step(hold)[1].copy() for _ in range(21)])
    del rewards[1][10]  # of the step that starts the second episode
    np.testing.assert_array_equal(rewards[0][:20], rewards[1])


@pytest.mark.parametrize("env_id", IDS)
def test_copies_go_on_alike(env_id):
    env = make("random", env_id)
    play(env, 9, seed=1)
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    others = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    others.append(make("random", env_id))
    others[-1].restore(snapshot)
    expected = play(env, 50)
    for other in others:
        assert_same(play(other, 50), expected)
    env.restore(snapshot)
    assert_same(play(env, 50), expected)


def test_members_that_stay_are_not_decided_for_twice():
    """In `LinkScheduling` several steps make an interval, of other members at other times."""
    asked = []

    def answer(view):
        asked.append(view.elapsed_s)
        return view.random

    env = against(answer, env_id=LINK_SCHEDULING.env_id)
    hold = env.single_action_space.n - 1
    switch = np.flatnonzero(env.action_masks()[1])[0]
    env.step(np.array([hold, switch, hold, hold]))
    env.step(np.array([hold, hold, hold, hold]))
    env.core.step_some(np.array([0, 2]), np.full(4, hold))
    times = [times.tolist() for times in asked]
    assert times == [[60.0] * 3, [120.0, 60.0, 120.0, 120.0], [180.0] * 2]


def test_what_happens_by_itself_does_not_depend_on_the_opponent():
    rows = []
    for name in ("", "random", "busiest"):
        env = make(name)
        hold = np.full(4, env.single_action_space.n - 1)
        offered = [env.step(hold)[4]["offered_bits"].tolist() for _ in range(25)]
        state = env.core.simulator.state
        rows.append(
            (offered, state.links["drift"].tolist(), state.links["outage_until_s"].tolist())
        )
    assert rows[0] == rows[1] == rows[2]


def test_attacks_of_others_are_neither_shortened_nor_weakened():
    env = against(lambda view: view.random, opponent_links=1000, attack_fraction=0.5)
    state = env.core.simulator.state
    state.links["attack_until_s"][:2] = 1e4
    state.links["attack_fraction"][:2] = 0.8
    env.core.opposition.attacks.until_s[:] = 0.0
    env.step(np.full(4, env.single_action_space.n - 1))
    began = env.core.opposition.attacks.until_s > 0.0
    assert began[:2].any()
    assert began[2:].any()
    assert (state.links["attack_until_s"][:2] == 1e4).all()
    assert (state.links["attack_fraction"][:2] == np.float32(0.8)).all()
    assert (state.links["attack_fraction"][2:][began[2:]] == 0.5).all()


def test_numbers_that_are_none_are_not_attacked():
    for answer in (np.nan, -1.0, 0.0, -np.inf):
        env = against(lambda view, answer=answer: np.full(view.is_open.shape, answer))
        env.core.opposition.attacks.until_s[:] = 0.0
        env.step(np.full(4, env.single_action_space.n - 1))
        assert (env.core.opposition.attacks.until_s == 0.0).all()


def test_the_largest_numbers_are_attacked_and_of_equal_ones_the_first():
    order = []

    def answer(view):
        wanted = np.where(np.arange(view.is_open.shape[1]) % 2, 2.0, 1.0) * view.is_link
        order.extend(np.flatnonzero(row)[:2].tolist() for row in view.is_open & (wanted == 2.0))
        return wanted

    env = against(answer)
    env.core.opposition.attacks.until_s[:] = 0.0
    env.step(np.full(4, env.single_action_space.n - 1))
    attacked = [np.flatnonzero(row).tolist() for row in env.core.opposition.attacks.until_s]
    assert attacked == order


def test_random_strikes_all_open_links_with_equal_chance():
    env = make("random", num_envs=3000, opponent_links=1, network_index=0)
    struck = env.core.opposition.attacks.until_s > 0.0
    assert (struck.sum(axis=1) == 1).all()
    counts = struck.sum(axis=0)[env.core.simulator.state.links["active"][0] > 0.0]
    assert stats.chisquare(counts).pvalue > ALPHA
    assert counts.sum() == 3000


def test_draws_are_of_the_episode_and_the_interval_whatever_is_done():
    members, draws = np.arange(3), []
    for action in (0, -1):
        env = make("random", num_envs=3, episode_s=1e6)
        actions = np.full(3, range(env.single_action_space.n)[action])
        draws.append([])
        for _ in range(100):
            draws[-1].append(env.core.opposition.view(members).random)
            env.step(actions)
    np.testing.assert_array_equal(*draws)
    assert len(np.unique(draws[0])) == np.size(draws[0])
    assert stats.kstest(np.ravel(draws[0]), "uniform").pvalue > ALPHA


def share_of_shortest_paths(network):
    """Of all pairs of sites; hops cost 1, and forty kilometres as much as a hop."""
    graph = nx.Graph()
    for e, (u, v) in enumerate(network.link_endpoints.tolist()):
        graph.add_edge(u, v, link=e, cost=1.0 + network.length_km[e] / 40.0)
    used = np.zeros(network.n_links)
    for u, v in itertools.combinations(range(network.n_sites), 2):
        path = nx.shortest_path(graph, u, v, weight="cost")
        used[[graph.edges[hop]["link"] for hop in itertools.pairwise(path)]] += 1.0
    return used / (network.n_sites * (network.n_sites - 1) / 2)


def test_views_tell_what_is_public_and_nothing_else():
    env = make(num_envs=3, n_sites=12, opponent_delay_s=60.0)
    play(env, 12)
    state, opposition = env.core.simulator.state, env.core.opposition
    members = np.array([2, 0])
    view, links = opposition.view(members), state.links[members]
    assert [array.shape for array in view[1:3]] == [links.shape, (*links.shape, 2)]
    np.testing.assert_array_equal(view.is_lit, links["active"] > 0.0)
    np.testing.assert_array_equal(view.traffic_bps, links["demand_average"])
    for i, b in enumerate(members):
        network = env.core.simulator.networks.topology(int(state.episodes["network"][b]))
        n = network.n_links
        assert view.is_link[i].sum() == n
        np.testing.assert_array_equal(view.endpoints[i, :n], network.link_endpoints)
        np.testing.assert_allclose(view.length_km[i, :n], network.length_km, rtol=1e-6)
        np.testing.assert_allclose(view.betweenness[i, :n], share_of_shortest_paths(network))
        assert (view.betweenness[i, n:] == 0.0).all()
    running = view.is_lit & (links["calibration_left_s"] == 0.0)
    assert (view.key_rate_bps[~running] == 0.0).all()
    assert (view.key_rate_bps[running] > 0.0).any()
    state.links["freshness"][:] = 0.99  # seen before the last interval
    assert (opposition.view(members).key_rate_bps == 0.0).all()
    state.links["freshness"][members] = links["freshness"]
    assert ((view.random >= 0.0) & (view.random < 1.0)).all()
    assert len(np.unique(view.random)) == view.random.size
    with pytest.raises(ValueError, match="read-only"):
        view.is_open[:] = True
    # What an eavesdropper cannot see changes nothing.
    state.links["pool"][:] = 0
    for hidden in ("drift", "excess_loss_db", "outage_until_s", "attack_until_s"):
        state.links[hidden][:] = 0.25
    for before, after in zip(view, opposition.view(members), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("peek", [True, False])
def test_models_have_no_opponent(peek):
    """Attacks that are under way when plans are made run out."""
    env = make(**QUIET, opponent_links=1000)
    env.track_belief()
    env.reset(seed=5)
    hold = np.full(8, env.single_action_space.n - 1)
    env.step(hold[:4])
    model = env.branch(2, peek=peek)
    if peek:
        assert (model.simulator.state.links["attack_until_s"] > 60.0).any()
    for _ in range(7):
        model.step(hold)
        env.step(hold[:4])
    assert not (model.simulator.state.links["attack_until_s"] > 480.0).any()
    assert (env.core.simulator.state.links["attack_until_s"] > 480.0).any()
    model.restore(model.snapshot())


def test_futures_are_not_told_beforehand():
    with pytest.raises(InvalidInput, match="opponent is 'busiest', but must be none"):
        episode_trace(resolve("metro", {**SMALL, "opponent": "busiest"}), 0)


def test_bad_answers_are_one_sentence():
    for answer in (
        lambda view: view.random[:, :-1],
        lambda view: None,
        lambda view: 1j * view.random,
    ):
        env = against(answer)
        with pytest.raises(InvalidInput, match="opponent is 'random', whose predict returns"):
            env.step(np.full(4, env.single_action_space.n - 1))


def test_busy_links_are_worse_to_lose_than_any():
    shares = {}
    for name in ("", "random", "busiest"):
        settings = {"n_sites": 12, "bank_size": 4, "opponent": name}
        result = evaluate("demand-deficit", LINK_ACTIVATION.env_id, 64, 0, **settings)
        shares[name] = result.metrics["delivered_share"]
    for worse, better in (("random", ""), ("busiest", "random")):
        # Paired over 64 episodes.
        assert stats.ttest_rel(shares[better], shares[worse], alternative="greater").pvalue < ALPHA
