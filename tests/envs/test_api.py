"""The environments are what Gymnasium and Stable-Baselines3 expect."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import qkd_gym  # noqa: F401
from qkd_gym.envs.wrappers import GraphObservation, VectorGraphObservation
from qkd_gym.errors import InvalidInput, UnknownArgument
from qkd_gym.network import available_scenarios

IDS = sorted(name for name in gym.registry if name.startswith("qkd_gym/"))


def test_four_environments_are_registered():
    names = ["LinkActivation", "LinkScheduling", "Network", "Routing"]
    assert [f"qkd_gym/{name}-v0" for name in names] == IDS


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_check_env_without_warnings(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(env_id).unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_sb3_check_env_warns_of_unconventional_shapes_only(env_id):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checker.check_env(gym.make(env_id).unwrapped, warn=True)
    messages = [str(warning.message) for warning in caught]
    assert [text for text in messages if "unconventional shape" not in text] == []


@pytest.mark.parametrize("env_id", IDS)
def test_zero_argument_make_and_make_vec(env_id):
    env = gym.make(env_id)
    obs, info = env.reset(seed=0)
    assert obs in env.observation_space
    assert isinstance(info["offered_bits"], int)
    vector = gym.make_vec(env_id, num_envs=4)
    observed, _ = vector.reset(seed=0)
    assert observed in vector.observation_space
    assert vector.unwrapped.action_masks().shape == observed["action_mask"].shape


@pytest.mark.parametrize("scenario", available_scenarios())
def test_every_scenario_starts_and_delivers(scenario):
    env = gym.make(IDS[0], scenario=scenario)
    env.reset(seed=0)
    delivered = sum(env.step(env.action_space.n - 1)[4]["delivered_bits"] for _ in range(60))
    assert delivered > 0


def test_spec_with_a_configuration_survives_json():
    env = gym.make(IDS[0], scenario={"n_sites": 10, "bank_size": 2})
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    obs, _ = gym.make(spec).reset(seed=0)
    assert obs["nodes"].shape[0] == 10


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@pytest.mark.parametrize("env_id", IDS)
def test_graph_wrapper_keeps_what_is_no_part_of_the_graph(env_id):
    env = GraphObservation(gym.make(env_id, bank_size=2))
    check_env(env, skip_render_check=True)
    seen, _ = env.reset(seed=0)
    assert seen in env.observation_space
    plain, _ = gym.make(env_id, bank_size=2).reset(seed=0)
    assert len(seen["graph"].edges) == plain["link_mask"].sum()
    kept = set(plain) - {"nodes", "links", "link_endpoints", "node_mask", "link_mask"}
    assert set(seen) == kept | {"graph"}
    for name in kept:
        np.testing.assert_array_equal(seen[name], plain[name])
    assert ("paths" in seen) == ("Routing" in env_id or "Network" in env_id)
    seen, *_ = env.step(env.action_space.sample())
    assert seen in env.observation_space


@pytest.mark.parametrize("env_id", IDS)
def test_graphs_of_a_vector_are_those_of_its_members(env_id):
    mode = gym.vector.AutoresetMode.NEXT_STEP
    env = VectorGraphObservation(gym.make_vec(env_id, 2, autoreset_mode=mode, bank_size=2))
    seen, _ = env.reset(seed=4)
    assert seen in env.observation_space
    single = GraphObservation(gym.make(env_id, bank_size=2))
    for b, graph in enumerate(seen["graph"]):
        alone, _ = single.reset(seed=4 + b)
        for got, expected in zip(graph, alone["graph"], strict=True):
            np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(seen["context"][b], alone["context"])


def test_returned_observations_share_no_memory():
    env = gym.make(IDS[0], bank_size=1)
    first, _ = env.reset(seed=0)
    kept = {name: array.copy() for name, array in first.items()}
    second = env.step(0)[0]
    for name in first:
        assert not np.shares_memory(first[name], second[name])
        np.testing.assert_array_equal(first[name], kept[name])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scenario": "metroo"}, "Did you mean 'metro'"),
        ({"modules_per_site": 0}, "modules_per_site is 0"),
        ({"moduls_per_site": 2}, "Did you mean 'modules_per_site'"),
        ({"scenario": 3}, "scenario is 3"),
        ({"render_mode": "svg"}, "render_mode is 'svg'"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        gym.make(IDS[0], **arguments)


@pytest.mark.parametrize("env_id", IDS)
def test_unknown_keyword_arguments_are_type_errors_in_pythons_words(env_id):
    """Libraries that try an argument, such as TorchRL's GymEnv, retry on this alone."""
    for make in (gym.make, lambda name, **given: gym.make_vec(name, num_envs=2, **given)):
        with pytest.raises(TypeError, match="got an unexpected keyword argument 'frameskip'"):
            make(env_id, frameskip=1)
        with pytest.raises(UnknownArgument, match="'scenaro'. Did you mean 'scenario'"):
            make(env_id, scenaro="metro")
    assert issubclass(UnknownArgument, InvalidInput)


@pytest.mark.parametrize("num_envs", [0, -1, 10**9, 10**30, 1.0, True, "2"])
def test_a_bad_number_of_environments(num_envs):
    with pytest.raises(InvalidInput, match="num_envs is .*, but must be"):
        gym.make_vec(IDS[0], num_envs=num_envs)


def test_the_number_of_environments_may_be_an_integer_of_numpy():
    assert type(gym.make_vec(IDS[0], num_envs=np.int64(2), bank_size=1).unwrapped.num_envs) is int


@pytest.mark.parametrize("env_id", ["LinkActivation", "Routing", "Network"])
def test_actions_of_another_shape_are_refused(env_id):
    vector = gym.make_vec(f"qkd_gym/{env_id}-v0", num_envs=3, n_sites=6, bank_size=1)
    vector.reset(seed=0)
    with pytest.raises(InvalidInput, match="actions has shape"):
        vector.step(np.zeros((2, 3), np.int64))


def test_actions_need_not_be_contiguous():
    vector = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=3, n_sites=6, bank_size=1)
    actions = np.array([[2, 9], [5, 9], [1, 9]])
    rewards = []
    for given in (actions[:, 0], actions[:, 0].copy(), actions[:, 0].astype(np.int32)):
        vector.reset(seed=0)
        rewards.append([vector.step(given)[1] for _ in range(20)])
    assert np.array_equal(rewards[0], rewards[1])
    assert np.array_equal(rewards[0], rewards[2])
