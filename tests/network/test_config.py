"""Bad configurations get one sentence that names the field, the value and what is allowed."""

import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, available_scenarios, get_scenario
from qkd_gym.network.config import interval_s
from qkd_gym.network.scenarios import as_mapping, resolve


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
