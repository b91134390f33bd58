"""Episodes ask for what a matrix or a recording says, and whoever cannot know it says so."""

import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy
from qkd_gym.benchmark.limits import require_playable
from qkd_gym.benchmark.replay import read_episode, record, validate, write_episode
from qkd_gym.bounds import episode_trace
from qkd_gym.envs.tasks import LINK_ACTIVATION, TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network import NetworkConfig
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.network.traffic import traffic_matrix
from qkd_gym.topology import load

SITES = load("madrid").n_sites
INTERVAL_S = 60.0
# Two in one interval, one at the very start, one on the edge of an interval, one after the end.
ROWS = [
    (0.0, 0, 1, 1000),
    (60.0, 3, 2, 2000),
    (119.9, 4, 8, 3000),
    (1700.0, 5, 6, 4000),
    (1800.0, 0, 2, 9999),
]
RECORDED = {"scenario": "madrid", "demand": {"requests": ROWS}, "episode_s": 1800.0}


def matrix_of(*pairs):
    matrix = np.zeros((SITES, SITES))
    for first, second, weight in pairs:
        matrix[first, second] = matrix[second, first] = weight
    return matrix


def asked(env_id, seed, **settings):
    """The requests of an episode: interval, sites and bits."""
    env = gym.make(env_id, **settings).unwrapped
    env.reset(seed=seed)
    state, found, over = env.core.simulator.arrays, [], False
    while not over:
        over = env.step(env.core.simulator.max_links)[3]
        interval, count = (int(state.episodes[name][0]) for name in ("interval", "n_requests"))
        for request in state.requests[0, :count]:
            found.append((interval - 1, *request.tolist()[:3]))
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_every_episode_asks_for_what_was_recorded(seed):
    assert asked(LINK_ACTIVATION.env_id, seed, **RECORDED) == [
        (0, 0, 1, 1000),
        (1, 2, 3, 2000),
        (1, 4, 8, 3000),
        (28, 5, 6, 4000),
    ]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_all_environments_account_for_recorded_requests(task):
    result = evaluate("random", task.env_id, episodes=2, **RECORDED)
    assert result.totals["offered_bits"].tolist() == [10_000.0] * 2
    decided = result.totals["delivered_bits"] + result.totals["blocked_bits"]
    assert decided.tolist() == [10_000.0] * 2


def test_the_bounds_read_the_recording():
    config = NetworkConfig(
        topology="madrid", bank_size=1, episode_s=1800.0, demand=RECORDED["demand"]
    )
    trace = episode_trace(config, 3)
    assert trace.request_bits.tolist() == [1000, 2000, 3000, 4000]
    assert trace.request_interval.tolist() == [0, 1, 1, 28]


def test_a_matrix_in_bits_per_second_is_the_mean_of_what_is_asked():
    matrix = matrix_of((0, 4, 2000.0), (2, 7, 500.0))
    found = asked(
        LINK_ACTIVATION.env_id,
        5,
        scenario="madrid",
        demand={"matrix": matrix, "unit": "bps"},
        episode_s=100 * 3600.0,
        requests_per_site_hour=60.0,
        diurnal_period_s=3600.0,
    )
    pairs = np.array([(first, second) for _, first, second, _ in found])
    assert set(map(tuple, pairs.tolist())) == {(0, 4), (2, 7)}
    bits = np.array([bits for *_, bits in found])
    for pair, mean_bps in (((0, 4), 2000.0), ((2, 7), 500.0)):
        of_pair = bits[(pairs == pair).all(axis=1)].sum() / (100 * 3600.0)
        # Bursts and the hot spot, an hour each, leave a mean over 100 hours some 5 % of spread.
        assert of_pair == pytest.approx(mean_bps, rel=0.25)


def test_a_relative_matrix_is_shared_out_as_it_says_and_scaled_by_the_load():
    matrix = matrix_of((0, 4, 4.0), (2, 7, 1.0))
    banks = []
    for factor, load_ in ((1.0, 1.0), (1000.0, 1.0), (1.0, 0.5)):
        bank = NetworkBank(
            NetworkConfig(
                topology="madrid", bank_size=1, load=load_, demand={"matrix": factor * matrix}
            )
        )
        bank.ensure(0)
        banks.append(bank)
    traffic = traffic_matrix(banks[0].topology(0), banks[0].config)
    assert traffic[0, 4] == pytest.approx(0.4)
    assert traffic[7, 2] == pytest.approx(0.1)
    offered = [float(bank.arrays.networks["mean_offered_bps"][0]) for bank in banks]
    assert offered[0] == offered[1] == pytest.approx(2.0 * offered[2])


def test_a_topology_brings_its_demand_and_an_argument_overrides_it():
    demand = {"matrix": matrix_of((0, 4, 1.0)).tolist()}
    network = dataclasses.replace(load("madrid"), demand=demand)
    assert NetworkConfig(topology=network, bank_size=1).demand == network.demand
    other = NetworkConfig(topology=network, bank_size=1, demand={"requests": ROWS})
    assert not other.demand.matrix
    assert len(other.demand.requests) == len(ROWS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"topology": "clustered"}, "must not be set for the topology 'clustered'"),
        ({"load": 1.2}, "load is 1.2, but must be 1"),
        ({"service_classes": [{"name": "a"}]}, "beside service_classes"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, sentence):
    values = {"topology": "madrid", "demand": {"requests": ROWS}, **changes}
    with pytest.raises(InvalidInput, match=sentence):
        NetworkConfig(**values)


def test_a_recording_that_begins_after_the_episode_is_refused():
    with pytest.raises(InvalidInput, match="first recorded request comes at 700 s"):
        gym.make(
            LINK_ACTIVATION.env_id,
            scenario="madrid",
            episode_s=600.0,
            demand={"requests": [(700.0, 0, 1, 5)]},
        )


def test_nobody_imagines_or_foresees_recorded_requests():
    env = gym.make_vec("qkd_gym/LinkScheduling-v0", num_envs=1, **RECORDED).unwrapped
    env.reset(seed=0)
    refused = pytest.raises(InvalidInput, match="recorded requests, so that branch")
    for attempt in (
        env.track_belief,
        lambda: env.branch(2),
        lambda: make_policy("lookahead").watch(env),
    ):
        with refused:
            attempt()
    model = env.branch(2, peek=True)
    hold = np.full(2, env.single_action_space.n - 1)
    model.step(hold)
    assert model.info()["offered_bits"].tolist() == [1000, 1000]


def test_beliefs_survive_sites_without_demand():
    matrix = matrix_of((0, 4, 1.0), (2, 7, 1.0))
    env = gym.make("qkd_gym/LinkActivation-v0", scenario="madrid", demand={"matrix": matrix})
    env = env.unwrapped
    env.track_belief()
    env.reset(seed=0)
    for _ in range(60):
        env.step(env.action_space.n - 1)
    belief = env.core.tracker.belief
    assert belief.hot_spot[0].sum() == pytest.approx(1.0)
    assert set(np.flatnonzero(belief.hot_spot[0]).tolist()) <= {0, 2, 4, 7}
    assert np.isfinite(belief.bursts).all()
    model = env.branch(4, seed=1)
    model.step(np.full(4, env.action_space.n - 1))
    assert np.isfinite(model.rewards).all()


@pytest.mark.parametrize(
    "demand", [RECORDED["demand"], {"matrix": matrix_of((0, 4, 300.0)), "unit": "bps"}]
)
def test_an_episode_file_holds_the_demand_and_is_played_again(tmp_path, demand):
    config = NetworkConfig(topology="madrid", bank_size=1, episode_s=1800.0, demand=demand)
    back = NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(config))))
    assert back == config
    assert hash(back) == hash(config)
    env_id, settings = LINK_ACTIVATION.env_id, {"scenario": config, "split": "train"}
    result = evaluate("demand-deficit", env_id, 1, 7, record_actions=True, **settings)
    where = "demand-deficit", env_id, "own", config, 7
    write_episode(tmp_path / "7.json", record(*where, result.actions[0], result.totals, 0))
    assert len(validate([tmp_path / "7.json"])) == 1


def test_an_episode_file_may_neither_name_a_recording_nor_hold_too_much_of_it(tmp_path):
    rows = [(float(i % 50), 0, 1, 5) for i in range(5001)]
    config = NetworkConfig(topology="madrid", bank_size=1, demand={"requests": rows})
    with pytest.raises(InvalidInput, match="recorded requests of an interval is 5001"):
        require_playable(config, "file")
    config = NetworkConfig(topology="madrid", bank_size=1, demand=RECORDED["demand"])
    episode = record("p", LINK_ACTIVATION.env_id, "own", config, 0, np.zeros(1, int), {}, 0)
    episode.config["demand"] = {"requests": "/etc/passwd"}
    write_episode(tmp_path / "0.json", episode)
    with pytest.raises(InvalidInput, match="requests is '/etc/passwd', but must be a list"):
        validate([tmp_path / "0.json"])
    assert read_episode(tmp_path / "0.json").config["demand"] == {"requests": "/etc/passwd"}
