"""Episodes go on from a snapshot bit for bit as they went on when it was taken."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.scenarios import get_scenario

SHORT = {"episode_s": 600.0, "bank_size": 2}
IDS = [task.env_id for task in TASKS.values()]
ACTIVATION = IDS[0]


def assert_equal(first, second):
    """Compares what two environments returned: dictionaries, arrays, object arrays, numbers."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_equal(first[name], second[name])
    elif isinstance(first, np.ndarray) and first.dtype == object:
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        np.testing.assert_array_equal(first, second)


def random_action(space, rng, *batch):
    choices = [space.n] if isinstance(space, gym.spaces.Discrete) else space.nvec
    drawn = rng.integers(choices, size=(*batch, len(choices)))
    return drawn[..., 0] if len(choices) == 1 else drawn


def play(env, steps, seed):
    """Everything that an environment returns and holds, over some steps and resets."""
    rng, record = np.random.default_rng(seed), []
    for _ in range(steps):
        step = env.step(random_action(env.action_space, rng))
        record.append({**dict(enumerate(step)), "state": state_of(env), "masks": masks_of(env)})
        if step[3]:
            record.append(dict(enumerate(env.reset())))
    return record


def play_all(env, steps, seed):
    rng, record = np.random.default_rng(seed), []
    for _ in range(steps):
        actions = random_action(env.single_action_space, rng, env.num_envs)
        record.append({**dict(enumerate(env.step(actions))), "state": state_of(env)})
    return record


def state_of(env):
    arrays = env.unwrapped.core.simulator.arrays
    return {name: array.copy() for name, array in arrays._asdict().items()}


def masks_of(env):
    return env.unwrapped.action_masks().copy()


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("scenario", ["metro", "metro-expiry", "metro-finite"])
def test_an_episode_and_those_after_it_go_on_alike(env_id, scenario):
    env = gym.make(env_id, scenario=scenario, **SHORT)
    env.reset(seed=0)
    play(env, 7, seed=0)
    observation, info = env.unwrapped.core.observe(), env.unwrapped._info()
    snapshot = env.unwrapped.snapshot()
    expected = play(env, 60, seed=1)
    again, info_again = env.unwrapped.restore(snapshot)
    assert_equal({name: array[0] for name, array in observation.items()}, again)
    assert_equal(info, info_again)
    assert_same(play(env, 60, seed=1), expected)


@pytest.mark.parametrize("env_id", IDS)
def test_a_snapshot_goes_on_in_an_environment_that_has_not_begun(env_id):
    env = gym.make(env_id, **SHORT).unwrapped
    env.reset(seed=0)
    play(env, 7, seed=0)
    travelled = pickle.loads(pickle.dumps(env.snapshot()))
    expected = play(env, 60, seed=1)
    shared_bank.cache_clear()  # as in another process, where no network is built yet
    other = gym.make(env_id, **SHORT).unwrapped
    other.restore(travelled)
    assert_same(play(other, 60, seed=1), expected)


def test_the_end_of_an_episode_can_be_restored():
    env = gym.make(ACTIVATION, **SHORT).unwrapped
    env.reset(seed=0)
    running = env.snapshot()
    while not env.step(0)[3]:
        pass
    over = env.snapshot()
    env.restore(running)
    env.step(0)
    env.restore(over)
    with pytest.raises(ResetNeeded):
        env.step(0)
    vector = gym.make_vec(ACTIVATION, num_envs=1, **SHORT)
    with pytest.raises(InvalidInput, match="over"):
        vector.restore(over)


@pytest.mark.parametrize("env_id", IDS)
def test_a_whole_batch_goes_on_alike(env_id):
    env = gym.make_vec(env_id, num_envs=6, **SHORT)
    env.reset(seed=0)
    play_all(env, 7, seed=0)
    snapshot = env.snapshot()
    expected = play_all(env, 60, seed=1)  # past the ends of the episodes
    env.restore(snapshot)
    assert_same(play_all(env, 60, seed=1), expected)


@pytest.mark.parametrize("env_id", IDS)
def test_some_members_take_the_places_of_others(env_id):
    """Members 4 and 0 go on in the places 1 and 2; all others as if nothing had happened."""
    env, twin = (gym.make_vec(env_id, num_envs=6, **SHORT) for _ in range(2))
    for each in (env, twin):
        each.reset(seed=0)
        play_all(each, 7, seed=0)
    snapshot, first = env.snapshot([4, 0]), env.snapshot([4])
    play_all(env, 3, seed=1)
    play_all(twin, 3, seed=1)
    observations, infos = env.restore(snapshot, [1, 2])
    old = twin.core.observe()
    for name, array in observations.items():
        np.testing.assert_array_equal(array[[0, 3, 4, 5]], old[name][[0, 3, 4, 5]])
    single = gym.make(env_id, **SHORT).unwrapped
    single.restore(first)
    assert_equal({name: array[1] for name, array in observations.items()}, single._observation())
    assert infos["stored_bits"][1] == single._info()["stored_bits"]
    rng = np.random.default_rng(2)
    for _ in range(30):
        actions = random_action(env.single_action_space, rng, 6)
        stepped, other, one = env.step(actions), twin.step(actions), single.step(actions[1])
        if one[3]:
            break
        for name, array in stepped[0].items():
            np.testing.assert_array_equal(array[[0, 3, 4, 5]], other[0][name][[0, 3, 4, 5]])
            np.testing.assert_array_equal(array[1], one[0][name])
        assert stepped[1][1] == one[1]


def test_what_was_handed_out_stays_as_it_is():
    env = gym.make_vec(ACTIVATION, num_envs=4, **SHORT)
    env.reset(seed=0)
    snapshot = env.snapshot()
    handed_out = env.step(np.zeros(4, np.int64))
    before = {name: array.copy() for name, array in handed_out[0].items()}
    env.restore(snapshot, [0, 1, 2, 3])
    env.step(np.ones(4, np.int64))
    assert_equal(handed_out[0], before)


def test_a_snapshot_never_changes():
    env = gym.make(ACTIVATION, **SHORT).unwrapped
    env.reset(seed=0)
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    before = snapshot.contents.state.links.copy()
    env.restore(snapshot)
    env.step(0)
    np.testing.assert_array_equal(snapshot.contents.state.links, before)
    with pytest.raises(ValueError, match="read-only"):
        snapshot.contents.state.links[0] = 0.0
    with pytest.raises(AttributeError):
        snapshot.task = "Routing"


def test_errors_of_restore_say_what_is_wrong_and_change_nothing():
    env = gym.make_vec(ACTIVATION, num_envs=3, **SHORT)
    env.reset(seed=0)
    two, before = env.snapshot([0, 1]), state_of(env)
    others = {
        "has 2 episodes, but must have 3": (two, None),
        "is of Routing, but must be of LinkActivation": (started(IDS[1], 3), None),
        "has load 1.2, but must have 1.0": (started(ACTIVATION, 3, load=1.2), None),
        "must be a Snapshot": ("two", None),
        r"integers in \[0, 2\]": (two, [0, 3]),
        "integers in": (two, [0.0, 1.0]),
        "once only": (two, [1, 1]),
        "is of a model": (env.branch(1, [0, 1], peek=True).snapshot(), [0, 1]),
    }
    for message, (snapshot, members) in others.items():
        with pytest.raises(InvalidInput, match=message):
            env.restore(snapshot, members)
    assert_equal(state_of(env), before)
    with pytest.raises(InvalidInput, match="members"):
        env.snapshot([-1])


def started(env_id, batch, **overrides):
    env = gym.make_vec(env_id, num_envs=batch, **(SHORT | overrides))
    env.reset(seed=0)
    return env.snapshot()


def test_nothing_is_restored_too_early_or_too_late():
    for env in (gym.make(ACTIVATION, **SHORT).unwrapped, gym.make_vec(ACTIVATION, 2, **SHORT)):
        with pytest.raises(ResetNeeded):
            env.snapshot()
        with pytest.raises(ResetNeeded):
            env.branch(2, peek=True)
        env.reset(seed=0)
        snapshot = env.snapshot()
        env.close()
        with pytest.raises(ClosedEnvironmentError):
            env.snapshot()
        with pytest.raises(ClosedEnvironmentError):
            env.restore(snapshot)
    fresh = gym.make_vec(ACTIVATION, num_envs=3, **SHORT)
    with pytest.raises(ResetNeeded):
        fresh.restore(snapshot, [0, 1])


def test_networks_with_fewer_links_than_others_are_restored():
    env = gym.make_vec(ACTIVATION, num_envs=8, scenario=get_scenario("metro-10"), episode_s=600.0)
    env.reset(seed=0)
    numbers = env.core.simulator.arrays.episodes["network"]
    assert len({int(env.core.simulator.bank.networks["n_links"][g]) for g in numbers}) > 1
    snapshot = env.snapshot([3, 5, 7])
    expected = play_all(env, 5, seed=0)[-1]["state"]["pools"][[3, 5, 7]]
    rng = np.random.default_rng(0)
    other = gym.make_vec(ACTIVATION, num_envs=3, scenario=get_scenario("metro-10"), episode_s=600.0)
    other.restore(snapshot)
    for _ in range(5):
        other.step(random_action(env.single_action_space, rng, 8)[[3, 5, 7]])
    np.testing.assert_array_equal(other.core.simulator.arrays.pools, expected)
