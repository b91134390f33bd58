"""Seeds and options of `reset`: honoured as Gymnasium has them, or refused by name."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import SyncVectorEnv

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput

SMALL = {"n_sites": 6, "bank_size": 8, "episode_s": 300.0}
IDS = [task.env_id for task in TASKS.values()]


def networks(env):
    return env.unwrapped.core.simulator.state.episodes["network"].tolist()


def rest(env):
    space = getattr(env, "single_action_space", env.action_space)
    action = np.array(space.n - 1 if isinstance(space, gym.spaces.Discrete) else space.nvec - 1)
    return action if space is env.action_space else np.repeat(action[None], env.num_envs, axis=0)


def finish(env):
    while not env.step(rest(env))[3]:
        pass


@pytest.mark.parametrize("env_id", IDS)
def test_network_index_is_honoured_for_one_episode(env_id):
    env, plain = gym.make(env_id, **SMALL), gym.make(env_id, **SMALL)
    for index in (np.int64(7), 0):
        env.reset(seed=3, options={"network_index": index})
        assert networks(env) == [index]
    plain.reset(seed=3)
    # The episodes after it are what they would have been.
    for _ in range(4):
        finish(env)
        finish(plain)
        ours, theirs = env.reset()[0], plain.reset()[0]
        assert networks(env) == networks(plain)
        np.testing.assert_array_equal(ours["links"], theirs["links"])


def test_network_index_of_a_reset_goes_before_the_configurations():
    env = gym.make(IDS[0], network_index=2, **SMALL)
    env.reset(seed=0, options={"network_index": 5})
    assert networks(env) == [5]
    env.reset()
    assert networks(env) == [2]


def test_network_index_of_a_vector_lasts_until_its_members_restart():
    env, plain = (gym.make_vec(IDS[0], num_envs=6, **SMALL) for _ in range(2))
    env.reset(seed=1, options={"network_index": 4})
    plain.reset(seed=1)
    assert networks(env) == [4] * 6
    for _ in range(5):
        over = env.step(rest(env))[3]
        plain.step(rest(plain))
    assert over.all()
    assert networks(env) == networks(plain)
    assert len(set(networks(env))) > 1


@pytest.mark.parametrize("options", [None, {}])
def test_no_options_are_fine(options):
    for env in (gym.make(IDS[0], **SMALL), gym.make_vec(IDS[0], num_envs=2, **SMALL)):
        first = env.reset(seed=5, options=options)[0]
        np.testing.assert_array_equal(first["links"], env.reset(seed=5)[0]["links"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"network_index": 8}, r"network_index is 8, but must be in \[0, 7\]"),
        ({"network_index": -1}, r"network_index is -1, but must be in \[0, 7\]"),
        ({"network_index": 10**30}, "network_index is 10"),
        ({"network_index": 1.0}, "network_index is 1.0, but must be an integer"),
        ({"network_index": True}, "network_index is True, but must be an integer"),
        ({"network_idx": 1}, "'network_idx'. Did you mean 'network_index'"),
        ({"load": 1.0}, "options has no field 'load'"),
        ({0: 1}, "options has no field 0"),
        ([("network_index", 1)], "options is .*, but must be a mapping"),
        ("network_index", "options is 'network_index', but must be a mapping"),
    ],
)
def test_bad_options_are_refused_by_name_and_change_nothing(options, words):
    for env in (gym.make(IDS[0], **SMALL), gym.make_vec(IDS[0], num_envs=2, **SMALL)):
        env.reset(seed=2)
        seen = env.unwrapped.core.observe()["links"].copy()
        state = env.unwrapped.core.generators[0].bit_generator.state
        with pytest.raises(InvalidInput, match=words) as caught:
            env.unwrapped.reset(seed=9, options=options)
        assert len(str(caught.value)) <= 300
        assert env.unwrapped.core.generators[0].bit_generator.state == state
        np.testing.assert_array_equal(env.unwrapped.core.observe()["links"], seen)


def test_single_environments_have_no_reset_mask():
    with pytest.raises(InvalidInput, match="'reset_mask'"):
        gym.make(IDS[0], **SMALL).unwrapped.reset(options={"reset_mask": np.ones(1, bool)})


def as_gymnasium_has_it(env_id, num_envs):
    """The same members under Gymnasium's own vector environment."""
    mode = gym.vector.AutoresetMode.SAME_STEP
    members = [lambda: gym.make(env_id, **SMALL)] * num_envs
    return SyncVectorEnv(members, autoreset_mode=mode)


@pytest.mark.parametrize("env_id", IDS)
def test_reset_mask_is_as_gymnasium_defines_it(env_id):
    ours, theirs = gym.make_vec(env_id, num_envs=4, **SMALL), as_gymnasium_has_it(env_id, 4)
    for env in (ours, theirs):
        env.reset(seed=10)
    started = np.array([True, False, False, True])
    for seed in ([50, 51, 52, 53], None, 7):
        for env in (ours, theirs):
            env.step(rest(ours))
        last = ours.unwrapped.core.observe()["links"].copy()
        observed, infos = ours.reset(seed=seed, options={"reset_mask": started.copy()})
        expected, other_infos = theirs.reset(seed=seed, options={"reset_mask": started.copy()})
        for name, array in expected.items():
            np.testing.assert_array_equal(observed[name], array, err_msg=name)
        np.testing.assert_array_equal(observed["links"][~started], last[~started])
        for name in ("stored_bits", "offered_bits", "elapsed_s"):
            np.testing.assert_array_equal(infos[name], other_infos[name], err_msg=name)
            np.testing.assert_array_equal(infos[f"_{name}"], other_infos[f"_{name}"])
        steps = [env.step(rest(ours)) for env in (ours, theirs)]
        np.testing.assert_array_equal(steps[0][1], steps[1][1])
        np.testing.assert_array_equal(steps[0][0]["links"], steps[1][0]["links"])


def test_reset_mask_leaves_earlier_observations_alone():
    env = gym.make_vec(IDS[0], num_envs=3, **SMALL)
    first, _ = env.reset(seed=0)
    kept = first["links"].copy()
    env.reset(seed=9, options={"reset_mask": np.array([True, False, True])})
    np.testing.assert_array_equal(first["links"], kept)


def test_reset_mask_goes_with_a_network_index():
    env = gym.make_vec(IDS[0], num_envs=3, **SMALL)
    env.reset(seed=0)
    before = networks(env)
    options = {"reset_mask": np.array([False, True, False]), "network_index": (before[1] + 1) % 8}
    env.reset(options=options)
    assert networks(env) == [before[0], (before[1] + 1) % 8, before[2]]
    assert set(options) == {"reset_mask", "network_index"}


@pytest.mark.parametrize(
    "mask",
    [
        None,
        [True, False],
        np.ones(3, bool),
        np.ones((2, 1), bool),
        np.ones(2, int),
        np.zeros(2, bool),
    ],
    ids=repr,
)
def test_a_reset_mask_is_truth_values_of_all_members(mask):
    env = gym.make_vec(IDS[0], num_envs=2, **SMALL)
    env.reset(seed=0)
    with pytest.raises(InvalidInput, match="reset_mask is .*, but must be an array of 2"):
        env.reset(options={"reset_mask": mask})


def test_members_are_first_started_together():
    env = gym.make_vec(IDS[0], num_envs=2, **SMALL)
    with pytest.raises(ResetNeeded, match="first all must be started"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(options={"reset_mask": np.array([True, True])})


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8, np.uint64])
def test_seeds_may_be_integers_of_numpy(kind):
    env = gym.make(IDS[0], **SMALL)
    expected = env.reset(seed=3)[0]["links"]
    np.testing.assert_array_equal(env.reset(seed=kind(3))[0]["links"], expected)
    vector = gym.make_vec(IDS[0], num_envs=2, **SMALL)
    for seed in (kind(2), [kind(2), kind(3)], (2, kind(3)), np.array([2, 3], kind)):
        np.testing.assert_array_equal(vector.reset(seed=seed)[0]["links"][1], expected)


def test_seeds_have_no_upper_end():
    env, vector = gym.make(IDS[0], **SMALL), gym.make_vec(IDS[0], num_envs=2, **SMALL)
    for seed in (2**64, 2**128 - 1, 10**400):
        expected = env.reset(seed=seed)[0]["links"]
        np.testing.assert_array_equal(vector.reset(seed=seed)[0]["links"][0], expected)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True, np.float64(2.0), np.bool_(True), 1j])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(InvalidInput, match="^seed is .*, but must be"):
        gym.make(IDS[0], **SMALL).unwrapped.reset(seed=seed)
    vector = gym.make_vec(IDS[0], num_envs=2, **SMALL)
    with pytest.raises(InvalidInput, match="^seed is .*, but must be"):
        vector.reset(seed=seed)
    with pytest.raises(InvalidInput, match=r"^seed\[1\] is .*, but must be"):
        vector.reset(seed=[0, seed])


@pytest.mark.parametrize("seeds", [[1], [1, 2, 3], [], np.zeros((2, 1), int), ([1], [2])])
def test_a_vector_has_one_seed_per_member(seeds):
    with pytest.raises(InvalidInput, match="^seed"):
        gym.make_vec(IDS[0], num_envs=2, **SMALL).reset(seed=seeds)
