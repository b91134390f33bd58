"""Models have the present of their members, futures of their own, and leave no trace."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput

SHORT = {"episode_s": 1200.0, "bank_size": 2}
IDS = [task.env_id for task in TASKS.values()]
ACTIVATION = IDS[0]


def legal_actions(masks, space, rng):
    """One legal action per row, of each decision."""
    sizes = [space.n] if isinstance(space, gym.spaces.Discrete) else space.nvec.tolist()
    parts = np.split(masks, np.cumsum(sizes)[:-1], axis=1)
    drawn = [np.where(part, rng.random(part.shape), -1.0).argmax(axis=1) for part in parts]
    return drawn[0] if len(drawn) == 1 else np.stack(drawn, axis=1)


def advanced(env_id, batch, steps, **overrides):
    env = gym.make_vec(env_id, num_envs=batch, **(SHORT | overrides))
    if env_id == ACTIVATION:
        env.track_belief()
    env.reset(seed=0)
    advance(env, steps)
    return env


def advance(env, steps, seed=0):
    rng, returned = np.random.default_rng(seed), []
    for _ in range(steps):
        actions = legal_actions(env.action_masks(), env.single_action_space, rng)
        returned.append(env.step(actions))
    return returned


def step_model(model, rng):
    model.step(legal_actions(model.action_masks(), model.action_space, rng))


@pytest.mark.parametrize("env_id", IDS)
def test_a_row_with_its_members_key_has_its_members_future(env_id):
    """Also past the end of the episode, where it stays while the environment starts another."""
    env = advanced(env_id, 3, 8)
    model = env.branch(2, [2, 0], peek=True)
    origins = np.repeat([2, 0], 2)
    model.simulator.arrays.episodes["key"] = env.core.simulator.arrays.episodes["key"][origins]
    rng, over = np.random.default_rng(0), np.zeros(4, bool)
    for _ in range(400):
        actions = legal_actions(env.action_masks(), env.single_action_space, rng)
        observations, rewards, _, ended, infos = env.step(actions)
        last = model.observe()
        model.step(actions[origins])
        for name, array in model.observe().items():
            now = observations[name][origins]
            for row in np.flatnonzero(ended[origins] & ~over):
                now[row] = infos["final_obs"][origins[row]][name]
            np.testing.assert_array_equal(array, np.where(_tall(over, array), last[name], now))
        np.testing.assert_array_equal(model.rewards, np.where(over, 0.0, rewards[origins]))
        for name in ("delivered_bits", "stored_bits"):
            expected = np.where(over, 0, infos[name][origins])
            np.testing.assert_array_equal(model.info()[name], expected)
        over |= ended[origins]
        np.testing.assert_array_equal(model.over, over)
        if over.all():
            break
    assert over.all()
    step_model(model, rng)  # nothing is left to step
    assert not model.info()["stored_bits"].any()


def _tall(rows, array):
    return rows.reshape(-1, *[1] * (array.ndim - 1))


@pytest.mark.parametrize("env_id", IDS)
def test_rows_share_the_present_and_not_the_future(env_id):
    env = advanced(env_id, 2, 5)
    model = env.branch(8, [1], peek=True)
    for name, array in env.core.simulator.arrays._asdict().items():
        copied = getattr(model.simulator.arrays, name)
        if name == "episodes":
            assert len(np.unique(copied["key"])) == 8
            copied = copied.copy()
            copied["key"] = array["key"][1]
        np.testing.assert_array_equal(copied, np.broadcast_to(array[1], copied.shape))
    np.testing.assert_array_equal(model.action_masks()[3], env.action_masks()[1])
    for _ in range(40):
        model.step(np.zeros((8, *model.action_space.shape), np.int64))
    drift = model.simulator.state.links["drift"][:, 0]
    assert len(np.unique(drift)) == 8


def test_an_imagined_present_differs_in_what_nobody_sees_alone():
    env = advanced(ACTIVATION, 2, 20, scenario="hidden", bank_size=4)
    model, state = env.branch(4), env.core.simulator.state
    origins = np.repeat([0, 1], 4)
    for name in ("misalignment", "fog", "modules_used", "demand_average", "blocked_average"):
        same = (model.simulator.state.sites[name] == state.sites[name][origins]).all()
        assert same == (name not in ("misalignment", "fog")), name
    hidden = {"excess_loss_db", "drift", "outage_until_s", "attack_until_s", "attack_fraction"}
    for name in state.links._arrays:
        same = (model.simulator.state.links[name] == state.links[name][origins]).all()
        assert same == (name not in hidden), name
    for name, array in model.observe().items():
        np.testing.assert_array_equal(array, env.core.observe()[name][origins])


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("peek", [True, False])
def test_planning_changes_nothing(env_id, peek):
    env, twin = (gym.make_vec(env_id, num_envs=2, **SHORT) for _ in range(2))
    plans = peek or env_id == ACTIVATION
    if plans and not peek:
        env.track_belief()
    for each in (env, twin):
        each.reset(seed=0)
    rng = np.random.default_rng(0)
    for step in range(50):
        if plans and step % 10 == 0:
            model = env.branch(3, peek=peek)
            for _ in range(3):
                step_model(model, rng)
        (one,), (other,) = advance(env, 1, seed=step), advance(twin, 1, seed=step)
        for name, array in one[0].items():
            np.testing.assert_array_equal(array, other[0][name])
        np.testing.assert_array_equal(one[1], other[1])
    for one, other in zip(env.core.generators, twin.core.generators, strict=True):
        assert one.bit_generator.state == other.bit_generator.state


def futures(model, steps=12):
    """Delivered bits of every row, under the same actions each time."""
    rng, total = np.random.default_rng(0), np.zeros(model.rows, np.int64)
    for _ in range(steps):
        step_model(model, rng)
        total += model.info()["delivered_bits"]
    return total


def test_candidates_meet_the_same_futures():
    env = advanced(ACTIVATION, 2, 5)
    model = env.branch(6)
    present = model.snapshot()
    expected = futures(model)
    model.restore(present)
    np.testing.assert_array_equal(futures(model), expected)
    other = env.branch(2, [0, 1, 0, 1, 0, 1])  # as many rows: the same model
    assert other is model
    other.restore(present)
    np.testing.assert_array_equal(futures(other), expected)
    # Rows can be repeated and exchanged.
    model.restore(present)
    model.restore(model.snapshot([11, 11]), [0, 5])
    np.testing.assert_array_equal(
        model.simulator.arrays.links[[0, 5]], model.simulator.arrays.links[[11, 11]]
    )
    with pytest.raises(InvalidInput, match=r"rows is \[12\]"):
        model.snapshot([12])


def test_plans_follow_from_the_seed():
    """Of the branch, or of the reset; member i plans as the single environment with its seed."""
    env, twin = advanced(ACTIVATION, 2, 5), advanced(ACTIVATION, 2, 5)
    first = futures(env.branch(4, seed=3))
    assert (futures(env.branch(4, seed=3)) == first).all()
    assert (futures(env.branch(4, seed=4)) != first).any()
    first, second = planned_keys(env), planned_keys(env)
    assert (first != second).all()
    assert (planned_keys(twin) == first).all()
    single = gym.make(ACTIVATION, **SHORT).unwrapped
    single.reset(seed=1)
    assert (planned_keys(single) == first[4:]).all()
    single.reset()
    assert (planned_keys(single) == second[4:]).all()
    single.reset(seed=1)
    assert (planned_keys(single) == first[4:]).all()
    for other in (copy.deepcopy(single), pickle.loads(pickle.dumps(single))):
        assert (planned_keys(other) == second[4:]).all()


def planned_keys(env):
    """Keys of the futures that come without a seed."""
    return env.branch(4, peek=True).simulator.arrays.episodes["key"].copy()


def test_belief_travels_with_snapshots_and_copies():
    env = advanced(ACTIVATION, 2, 20)
    expected = futures(env.branch(4, seed=0))
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        np.testing.assert_array_equal(futures(other.branch(4, seed=0)), expected)
    advance(env, 10)
    env.restore(snapshot)
    np.testing.assert_array_equal(futures(env.branch(4, seed=0)), expected)
    fresh = gym.make_vec(ACTIVATION, num_envs=2, **SHORT)
    fresh.track_belief()
    fresh.restore(snapshot)
    np.testing.assert_array_equal(futures(fresh.branch(4, seed=0)), expected)
    # And what comes later is taken in alike, on networks that copies have not met before.
    copied = pickle.loads(pickle.dumps(env))
    for each in (env, copied, fresh):
        advance(each, 10)
    expected = futures(env.branch(4, seed=0))
    for other in (copied, fresh):
        np.testing.assert_array_equal(futures(other.branch(4, seed=0)), expected)


def test_belief_must_be_tracked_from_the_start():
    env = gym.make_vec(ACTIVATION, num_envs=2, **SHORT)
    env.reset(seed=0)
    without = env.snapshot()
    with pytest.raises(ResetNeeded, match="call track_belief before it begins"):
        env.branch(2)
    env.track_belief()
    assert env.branch(2).rows == 4  # right after a reset is early enough
    env.restore(without, None)
    with pytest.raises(ResetNeeded, match="of member 0"):
        env.branch(2)
    mask = np.array([True, False])
    env.reset(options={"reset_mask": mask})
    assert env.branch(2, [0]).rows == 2
    with pytest.raises(ResetNeeded, match="of member 1"):
        env.branch(2)
    late = gym.make_vec(ACTIVATION, num_envs=2, **SHORT)
    late.reset(seed=0)
    advance(late, 1)
    late.track_belief()
    with pytest.raises(ResetNeeded):
        late.branch(2)
    advance(late, 40)  # both start their next episode
    assert late.branch(2).rows == 4


@pytest.mark.parametrize("env_id", [task.env_id for task in TASKS.values() if task.decides_paths])
def test_only_peeking_where_paths_are_decided(env_id):
    env = gym.make(env_id, **SHORT).unwrapped
    env.reset(seed=0)
    for call in (env.track_belief, lambda: env.branch(2)):
        with pytest.raises(InvalidInput, match="must be given peek=True"):
            call()


def test_errors_of_branch_name_the_argument():
    env = advanced(ACTIVATION, 2, 0)
    calls = {
        "futures is 0": {"futures": 0},
        "futures is 2.0": {"futures": 2.0},
        "futures is 1000000": {"futures": 1_000_000},
        "members is": {"futures": 2, "members": [2]},
        "peek is 1": {"futures": 2, "peek": 1},
        "seed is -1": {"futures": 2, "seed": -1},
    }
    for message, arguments in calls.items():
        with pytest.raises(InvalidInput, match=message):
            env.branch(**arguments)
    model = env.branch(2)
    with pytest.raises(InvalidInput, match="actions"):
        model.step(np.zeros(3, np.int64))
    with pytest.raises(InvalidInput, match="rows is"):
        model.restore(model.snapshot([0, 1]), [0, 0])


def test_an_episode_that_is_over_is_branched_and_stays():
    env = gym.make(ACTIVATION, **SHORT).unwrapped
    env.reset(seed=0)
    while not env.step(0)[3]:
        pass
    model = env.branch(3, peek=True)
    assert model.over.all()
    model.step(np.zeros(3, np.int64))
    assert not model.rewards.any()
    np.testing.assert_array_equal(model.observe()["links"][1], env._observation()["links"])
