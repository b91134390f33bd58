"""Actions of any value: integers are played or counted as illegal, and nothing else is taken."""

import copy

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

import qkd_gym  # noqa: F401
from qkd_gym.envs.actions import as_integers
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput

SMALL = {"n_sites": 6, "bank_size": 2, "episode_s": 600.0}
IDS = [task.env_id for task in TASKS.values()]
# Far outside every action space; of each of the environment's decisions.
OUTSIDE = [-1, -2, -(2**31), -(2**63), -(10**30), 2**31, 2**63 - 1, 2**63, 10**30, 999]
NO_INTEGERS = [3.7, 3.0, "0", float("nan"), True, None, 1j, {}, np.float64(1.0), np.bool_(True)]


def width(env):
    """How many numbers an action is."""
    return 1 if isinstance(env.action_space, gym.spaces.Discrete) else len(env.action_space.nvec)


def act(env, number):
    return number if width(env) == 1 else [number] * width(env)


def resting(env):
    """The action that holds and refuses."""
    space = env.action_space
    return space.n - 1 if isinstance(space, gym.spaces.Discrete) else space.nvec - 1


def fresh(env_id):
    env = gym.make(env_id, **SMALL).unwrapped
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("number", OUTSIDE)
def test_illegal_actions_do_nothing_and_are_counted(env_id, number):
    env, twin = fresh(env_id), fresh(env_id)
    for _ in range(5):
        observation, reward, _, _, info = env.step(act(env, number))
        expected, same_reward, _, _, resting_info = twin.step(resting(twin))
        assert info.pop("illegal_actions") == width(env)
        assert resting_info.pop("illegal_actions") == 0
        assert reward == same_reward
        for name, array in expected.items():
            np.testing.assert_array_equal(observation[name], array, err_msg=name)
        for name in ("delivered_bits", "blocked_bits", "stored_bits", "switches"):
            assert info[name] == resting_info[name]


@pytest.mark.parametrize("env_id", IDS)
def test_illegal_actions_of_a_vector_do_nothing_and_are_counted(env_id):
    batch = len(OUTSIDE)
    env = gym.make_vec(env_id, num_envs=batch, **SMALL)
    twin = gym.make_vec(env_id, num_envs=batch, **SMALL)
    env.reset(seed=0)
    twin.reset(seed=0)
    single = env.single_action_space
    rest = np.array(single.n - 1 if isinstance(single, gym.spaces.Discrete) else single.nvec - 1)
    numbers = [number if rest.ndim == 0 else [number] * rest.size for number in OUTSIDE]
    for _ in range(5):
        observation, rewards, _, _, infos = env.step(numbers)
        expected, same_rewards, _, _, _ = twin.step(np.repeat(rest[None], batch, axis=0))
        assert (infos["illegal_actions"] == rest.size).all()
        np.testing.assert_array_equal(rewards, same_rewards)
        np.testing.assert_array_equal(observation["links"], expected["links"])


@pytest.mark.parametrize("env_id", IDS)
def test_unsigned_actions_do_not_wrap(env_id):
    env = fresh(env_id)
    vector = gym.make_vec(env_id, num_envs=3, **SMALL)
    vector.reset(seed=0)
    for huge in (2**64 - 1, 2**63):
        one = np.full(env.action_space.shape, huge, np.uint64)
        assert env.step(one)[4]["illegal_actions"] == width(env)
        infos = vector.step(np.stack([one] * 3))[4]
        assert (infos["illegal_actions"] == width(env)).all()


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
def test_what_is_no_integer_is_refused_alike_by_single_and_vector(env_id, value):
    env = fresh(env_id)
    vector = gym.make_vec(env_id, num_envs=2, **SMALL)
    vector.reset(seed=0)
    before = copy.deepcopy(env)
    with pytest.raises(InvalidInput, match="^action is .*, but must be (an integer|integers of)"):
        env.step(act(env, value))
    for batch in ([act(env, value)] * 2, [act(env, 0), act(env, value)]):
        with pytest.raises(InvalidInput, match="^actions is .*, but must be integers of shape"):
            vector.step(batch)
    # Nothing has happened.
    following = [one.step(resting(one))[0]["links"] for one in (env, before)]
    np.testing.assert_array_equal(*following)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("kind", [float, bool, object, "U1", complex])
def test_arrays_of_other_kinds_are_refused_alike(env_id, kind):
    env = fresh(env_id)
    vector = gym.make_vec(env_id, num_envs=2, **SMALL)
    vector.reset(seed=0)
    one = np.ones(env.action_space.shape, kind)
    with pytest.raises(InvalidInput, match="^action is"):
        env.step(one)
    with pytest.raises(InvalidInput, match="^actions is"):
        vector.step(np.stack([one, one]))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64, int])
def test_integers_of_all_kinds_play_the_same(kind):
    rewards = []
    for action in (kind(3), 3, np.array(3, kind)):
        env = fresh(IDS[0])
        rewards.append([env.step(action)[1] for _ in range(3)])
    assert rewards[0] == rewards[1] == rewards[2]


def test_lists_of_arrays_are_integers_too():
    numbers = as_integers("actions", [np.array(1), np.int8(2), 3], (3,))
    np.testing.assert_array_equal(numbers, [1, 2, 3])
    columns = np.arange(6).reshape(2, 3).T[:, 0]
    assert as_integers("actions", columns, (3,)).flags.c_contiguous


@pytest.mark.parametrize("bad", [[1, 2], [[1], [2, 3]], [1, [2, 3]], np.zeros((1, 2), int), (1,)])
def test_actions_of_a_single_environment_have_its_shape(bad):
    with pytest.raises(InvalidInput, match="^action (has shape|is)"):
        fresh(IDS[0]).step(bad)


@pytest.mark.parametrize("env_id", IDS)
def test_an_episode_must_have_begun(env_id):
    env = gym.make(env_id, **SMALL)
    for one in (env, env.unwrapped):
        with pytest.raises(ResetNeeded):
            one.step(resting(env))
    vector = gym.make_vec(env_id, num_envs=2, **SMALL)
    with pytest.raises(ResetNeeded, match="no episode has begun: call reset first"):
        vector.step(np.zeros(vector.action_space.shape, int))


@pytest.mark.parametrize("env_id", IDS)
def test_no_step_follows_the_end_of_an_episode(env_id):
    env = gym.make(env_id, **SMALL)
    env.reset(seed=0)
    while not env.step(resting(env))[3]:
        pass
    for one in (env, env.unwrapped, copy.deepcopy(env)):
        with pytest.raises(ResetNeeded, match="the episode is over: call reset first"):
            one.step(resting(env))
    env.reset()
    env.step(resting(env))


@pytest.mark.parametrize("env_id", IDS)
def test_a_closed_environment_is_closed(env_id):
    env = gym.make(env_id, **SMALL)
    vector = gym.make_vec(env_id, num_envs=2, **SMALL)
    for one, actions in ((env, resting(env)), (vector, np.zeros(vector.action_space.shape, int))):
        one.reset(seed=0)
        one.close()
        one.close()
        for call in (lambda one=one, a=actions: one.unwrapped.step(a), one.unwrapped.reset):
            with pytest.raises(ClosedEnvironmentError, match="closed"):
                call()


@pytest.mark.parametrize("env_id", [task.env_id for task in TASKS.values() if task.decides_paths])
def test_no_request_waits_and_any_path_is_illegal(env_id):
    """An episode may be over before its first request; the step that says so takes no path."""
    rare = {"requests_per_site_hour": 1e-3, "load": 1e-6, "episode_s": 60.0}
    env = gym.make(env_id, **{**SMALL, **rare}).unwrapped
    observation, _ = env.reset(seed=0)
    assert not observation["request"].any()
    action = np.array(resting(env)).copy()
    assert copy.deepcopy(env).step(action)[4]["illegal_actions"] == 0
    action.flat[0] = 0
    assert env.step(action)[4]["illegal_actions"] == 1


@pytest.mark.parametrize("env_id", IDS)
def test_wild_actions_conserve_key(env_id):
    """A hundred thousand steps; legal actions among them, so that something happens."""
    env = gym.make(env_id, n_sites=10, bank_size=3, key_lifetime_s=900.0).unwrapped
    rng = np.random.default_rng(12)
    choices = np.array([env.action_space.n] if width(env) == 1 else env.action_space.nvec)
    wild = np.array([number for number in OUTSIDE if abs(number) < 2**63])
    pools = env.core.simulator.state.links["pool"]
    steps, counted, delivered, over = 100_000 // len(IDS), 0, 0, True
    for _ in range(steps):
        if over:
            stored = env.reset(seed=int(rng.integers(2**31)))[1]["stored_bits"]
        action = rng.integers(-2, choices + 2)
        if rng.random() < 0.2:
            action = rng.choice(wild, len(choices))
        _, _, _, over, info = env.step(action if width(env) > 1 else action[0])
        stored += info["generated_bits"] - info["consumed_bits"]
        stored -= info["overflow_bits"] + info["expired_bits"]
        assert info["stored_bits"] == stored
        assert info["delivered_bits"] + info["blocked_bits"] == info["offered_bits"]
        outside = ((action < 0) | (action >= choices)).sum()
        assert outside <= info["illegal_actions"] <= len(choices)
        counted += info["illegal_actions"]
        delivered += info["delivered_bits"]
    assert stored == pools.sum()
    assert pools.min() >= 0
    assert counted > steps / 5
    assert delivered > 0
