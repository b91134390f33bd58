"""Bad configurations get one sentence that names the field, the value and what is allowed."""

import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.network import NetworkConfig, available_scenarios, get_scenario
from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.config import interval_s
from qkd_gym.network.parameters import kernel_params
from qkd_gym.network.scenarios import as_mapping, resolve
from qkd_gym.network.state import allocate


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("modules_per_site", 0, "[1, 1000]"),
        ("modules_per_site", 1.5, "integer"),
        ("modules_per_site", True, "integer"),
        ("calibration_s", -1.0, "[0, 1e+09] s"),
        ("initial_fill", 1.1, "[0, 1]"),
        ("load", 0.0, "[1e-09, 100]"),
        ("load", float("nan"), "[1e-09, 100]"),
        ("load", "much", "[1e-09, 100]"),
        ("split", "tset", "Did you mean 'test'?"),
        ("burst_share", 0.9, "at most 1"),
        ("network_index", 64, "[0, 63]"),
        ("topology", 3, "must be one of"),
    ],
)
def test_bad_values(field, value, words):
    with pytest.raises(InvalidInput) as caught:
        NetworkConfig(**{field: value})
    message = str(caught.value)
    assert field in message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "value",
    ["1.2", [1.0], np.ones(1), np.array(1.2), 10**400, 1e300, -1e300, 1j, True, None, {}, b"1"],
    ids=lambda value: repr(value)[:20],
)
def test_numbers_of_wrong_kinds_and_sizes_are_named(value):
    for field in ("load", "episode_s", "misalignment", "gravity_distance_km", "fog_loss_db"):
        with pytest.raises(InvalidInput, match=f"^{field} is .*, but must be") as caught:
            NetworkConfig.from_mapping({field: value})
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    "value", [10**30, 10**400, -1, 2.0, "2", True, [2], np.ones(1, int)], ids=shown
)
def test_integers_of_wrong_kinds_and_sizes_are_named(value):
    for field in ("modules_per_site", "n_sites", "bank_size", "max_hops", "burst_sources"):
        with pytest.raises(InvalidInput, match=f"^{field} is .*, but must be") as caught:
            NetworkConfig.from_mapping({field: value})
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hybrid_presets", 5),
        ("hybrid_presets", {"spdc": 1}),
        ("hybrid_presets", ["spdc", 1]),
        ("hybrid_presets", ["spdc"] * 65),
        ("topology", ["madrid"]),
        ("preset", None),
        ("split", ["test"]),
        ("network_index", "1"),
        ("network_index", True),
        ("detector_efficiency", "0.5"),
        ("detector_efficiency", 0.0),
        ("bank_seed", 2**64),
    ],
)
def test_values_of_other_kinds_are_named(field, value):
    with pytest.raises(InvalidInput, match=f"^{field} is .*, but must be") as caught:
        NetworkConfig.from_mapping({field: value})
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("values", [None, 3, "metro", ["load"], [("load", 1.0)]])
def test_what_is_no_mapping(values):
    with pytest.raises(InvalidInput, match="^configuration is .*, but must be a mapping"):
        NetworkConfig.from_mapping(values)


def test_every_number_has_two_ends():
    """What has none lets a simulation overflow, or ask for any memory."""
    for field in dataclasses.fields(NetworkConfig):
        if isinstance(field.default, (int, float)):
            for huge in (10**30, 1e300):
                with pytest.raises(InvalidInput, match=f"^{field.name} is"):
                    NetworkConfig(**{field.name: huge})


def test_settings_may_be_numbers_of_numpy():
    given = {"bank_seed": np.int64(4), "load": np.float32(0.5), "network_index": np.uint8(1)}
    config = NetworkConfig(**given)
    assert config == NetworkConfig(bank_seed=4, load=0.5, network_index=1)
    assert json.loads(json.dumps(as_mapping(config)))["bank_seed"] == 4


@pytest.mark.parametrize("scenario", ["madrid", "control-tree"])
def test_settings_of_generated_networks_are_refused_for_real_ones(scenario):
    for setting in ({"n_sites": 12}, {"n_sites": 20}, {"hybrid_presets": ["spdc"]}):
        (name,) = setting
        with pytest.raises(InvalidInput, match=f"^{name} is .* only generated networks have it"):
            resolve(scenario, setting)
    with pytest.raises(InvalidInput, match="^n_sites is 12"):
        NetworkConfig(topology="madrid", n_sites=12)
    with pytest.raises(InvalidInput, match="^hybrid_presets is"):
        resolve("hybrid", {"topology": "madrid"})
    # These say nothing wrong.
    harmless = {"split": "test", "bank_seed": 3, "bank_size": 4, "hybrid_presets": ()}
    assert resolve(scenario, harmless).split == "test"


def test_key_that_outlives_the_episode_takes_no_memory():
    year = NetworkConfig(key_lifetime_s=3.2e7, episode_s=600.0)
    assert kernel_params(year, 20)["lifetime"][0] == 0
    assert allocate(year, 1, 20, 40, in_blocks=False).stored_history.size == 0
    # The last interval begins one interval before the end of the episode.
    last = NetworkConfig(key_lifetime_s=570.0, episode_s=600.0)
    assert allocate(last, 1, 20, 40, in_blocks=False).stored_history.shape == (1, 40, 20)


@pytest.mark.parametrize("lifetime", [570.0, 599.0, 600.0, 1e9])
def test_a_lifetime_near_the_episodes_length_expires_what_is_too_old(lifetime):
    """Key of the start is gone after its lifetime, at the end of the interval in which it is."""
    still = {"load": 1e-9, "episode_s": 600.0, "key_lifetime_s": lifetime, "n_sites": 20}
    env = gym.make("qkd_gym/LinkActivation-v0", bank_size=1, **still).unwrapped
    _, start = env.reset(seed=0)
    expired, over = [], False
    while not over:
        info = env.step(env.action_space.n - 1)[4]
        expired.append(info["expired_bits"])
        over = info["elapsed_s"] >= 600.0
    assert len(expired) == 20
    assert sum(expired[:-1]) == 0
    assert (expired[-1] > 0.9 * start["stored_bits"]) == (lifetime <= 570.0)


@pytest.mark.parametrize(
    ("settings", "num_envs", "words"),
    [
        ({"episode_s": 1e9, "key_lifetime_s": 9e8}, 1, r"key_lifetime_s 9e\+08, .* GiB"),
        ({"key_lifetime_s": 8900.0}, 900_000, "num_envs is 900000 .* GiB"),
        ({"bank_size": 1_000_000}, 1, "bank_size is 1000000, .* GiB"),
        ({"n_sites": 250, "candidate_paths": 64, "max_hops": 64}, 1, "max_hops 64, .* GiB"),
        ({"burst_off_s": 1e9}, 1, r"burst_off_s is 1e\+09, .* 8.98e\+05 keys"),
        ({"burst_off_s": 1e9, "burst_on_s": 1.0}, 1, "burst_off_s is"),
    ],
)
def test_what_does_not_fit_into_memory_is_refused_with_its_size(settings, num_envs, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=num_envs, **settings)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("size", [0, 1000])
def test_arrays_below_the_limit_are_made(monkeypatch, size):
    monkeypatch.setattr("qkd_gym.network.compiled.memory.MOST_BYTES", 16_384)
    assert zeros("size is small", array=((size,), np.float64))["array"].shape == (size,)
    with pytest.raises(InvalidInput, match="^size is large, which asks for"):
        zeros("size is large", array=((5000,), np.float64))


def test_unknown_field_suggests_the_nearest():
    with pytest.raises(InvalidInput, match="'calibration'.*Did you mean 'calibration_s'"):
        resolve("metro", {"calibration": 10.0})


def test_unknown_scenario_suggests_the_nearest():
    with pytest.raises(InvalidInput, match="Did you mean 'metro'"):
        get_scenario("metr")


def test_mapping_round_trip():
    for name in available_scenarios():
        config = get_scenario(name)
        assert NetworkConfig.from_mapping(as_mapping(config)) == config


def test_interval_shrinks_with_the_network():
    assert [interval_s(n) for n in (6, 10, 11, 20, 100)] == [60.0, 60.0, 30.0, 30.0, 6.0]
