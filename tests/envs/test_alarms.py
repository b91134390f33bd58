"""What an operator sees of faults, and what no plan may know of them."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING, TASKS
from qkd_gym.evaluation import evaluate
from qkd_gym.features import ALARM_FEATURES

FAULTS = [
    {"name": "power", "strikes": "site", "per_hour": 6.0, "duration_mean_s": 900.0,
     "detection_s": 60.0},
    {"name": "work", "strikes": "duct", "per_hour": 6.0, "duration_min_s": 900.0,
     "announced_s": 1200.0, "detection_s": 0.0},
    {"name": "blinded", "effect": "blinding", "per_hour": 6.0, "duration_mean_s": 900.0},
]  # fmt: skip
SMALL = {"bank_size": 2, "episode_s": 1800.0, "faults": FAULTS}


@pytest.mark.parametrize("name", TASKS)
def test_alarms_are_observed_where_there_are_faults_alone(name):
    plain, faulty = (
        gym.make(TASKS[name].env_id, **{**SMALL, "faults": each}) for each in ([], FAULTS)
    )
    spaces = faulty.observation_space.spaces
    assert set(spaces) - set(plain.observation_space.spaces) == {"alarms"}
    assert set(plain.observation_space.spaces) < set(spaces)
    observation, _ = faulty.reset(seed=0)
    links = len(observation["link_mask"])
    assert observation["alarms"].shape == (links, 5) == spaces["alarms"].shape
    assert observation["alarms"].dtype == np.float32


def test_every_column_is_what_its_name_says():
    env = gym.make_vec(LINK_ACTIVATION.env_id, num_envs=6, **SMALL).unwrapped
    env.reset(seed=3)
    seen = np.zeros(5)
    state, bank = env.core.simulator.state, env.core.simulator.bank
    for _ in range(25):
        observation = env.step(np.full(6, env.single_action_space.n - 1))[0]
        alarms, now = observation["alarms"], state.episodes["interval"] * 30.0
        assert (alarms[observation["link_mask"] == 0] == 0.0).all()
        for b in range(6):
            g = state.episodes["network"][b]
            for e in np.flatnonzero(observation["link_mask"][b]):
                mine = [
                    event
                    for event in state.events[b]
                    if event["until_s"] > now[b]
                    and event["place"] in bank.event_places[g, event["fault"], :, e]
                ]
                late = {0: 60.0, 1: 0.0, 2: np.inf}
                since = [now[b] - each["onset_s"] - late[int(each["fault"])] for each in mine]
                age = max(since, default=-1.0)
                expected = [float(age >= 0.0), np.log1p(max(age, 0.0) / 60.0), 0.0, 0.0, 0.0]
                windows = [(max(each["onset_s"] - now[b], 0.0), each["until_s"] - now[b])
                           for each in mine if each["fault"] == 1]  # fmt: skip
                if windows:
                    soon = min(windows)[0]
                    left = {until for begins, until in windows if begins == soon}
                    expected[2:4] = 1.0, np.log1p(soon / 60.0)
                    # Of two that last the operator is told of either.
                    found = alarms[b, e, 4]
                    assert any(np.isclose(found, np.log1p(each / 60.0), 1e-5) for each in left)
                    expected[4] = found
                np.testing.assert_allclose(alarms[b, e], expected, rtol=1e-5, atol=1e-6)
        seen += (alarms > 0.0).sum(axis=(0, 1))
    assert dict(zip(ALARM_FEATURES, seen > 100, strict=True)) == dict.fromkeys(ALARM_FEATURES, True)


def test_plans_with_foresight_know_all_events():
    env = gym.make(LINK_SCHEDULING.env_id, **SMALL).unwrapped
    env.reset(seed=0)
    model = env.branch(2, peek=True)
    events = env.core.simulator.state.events
    assert (model.simulator.state.events == events[[0, 0]]).all()


def test_what_is_restored_goes_on_with_the_same_events():
    env = gym.make(LINK_ACTIVATION.env_id, **SMALL).unwrapped
    env.reset(seed=5)
    hold = env.action_space.n - 1
    for _ in range(10):
        env.step(hold)
    snapshot = env.snapshot()
    first = [env.step(hold)[0]["alarms"] for _ in range(20)]
    env.restore(snapshot)
    second = [env.step(hold)[0]["alarms"] for _ in range(20)]
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[-1]).any()


@pytest.mark.parametrize("name", ["demand-deficit", "max-weight"])
def test_rules_and_evaluation_take_such_scenarios(name):
    result = evaluate(make_policy(name), LINK_ACTIVATION.env_id, episodes=2, seed=0, **SMALL)
    assert result.metrics["delivered_share"].min() > 0.1
