"""Faults as users and files give them, and the tables that they need."""

import dataclasses
import json

import numpy as np
import pytest

from qkd_gym.bounds.trace import episode_trace
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, get_scenario
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.faults import EFFECTS, Fault, event_capacity, fault_records
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.network.tables import rate_table
from qkd_gym.physics import preset
from qkd_gym.physics.attacks import jam

ONE = {"name": "power", "strikes": "site", "per_hour": 0.5, "duration_min_s": 60.0}
TAPS = {"name": "taps", "effect": "eavesdropping", "per_place_hour": 0.1, "detection_s": 5.0,
        "duration_mean_s": 900.0, "intercepted_fraction": 0.2}  # fmt: skip
TWO = [ONE, TAPS]


def test_mappings_and_records_are_the_same():
    config = NetworkConfig(faults=TWO)
    assert config.faults[0] == Fault("power", strikes="site", per_hour=0.5, duration_min_s=60.0)
    assert NetworkConfig(faults=config.faults) == config
    again = NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(config))))
    assert again == config
    assert hash(again) == hash(config)


def test_without_faults_a_configuration_says_what_it_said_before_there_were_any():
    assert "faults" not in as_mapping(NetworkConfig())
    assert not get_scenario("metro-outages").faults


def changed(**changes):
    return [{**ONE, **changes}]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (5, "faults is 5, but must be a list"),
        ("power", "must be a list"),
        ({"name": "power"}, "must be a list"),
        ([3], "faults[0] is 3, but must be a mapping"),
        ([{"per_hour": 1.0}], "faults[0] has no name"),
        ([{**ONE, "per_hours": 2.0}], "Did you mean 'per_hour'?"),
        ([ONE, ONE], "must have different names"),
        (changed(name="a b"), "faults[0]: name is 'a b'"),
        (changed(effect="flood"), "effect is 'flood'"),
        (changed(strikes="city"), "strikes is 'city'"),
        (changed(target="random"), "target is 'random'"),
        (changed(per_hour=0.0), "per_hour and per_place_hour are 0, but one must be above 0"),
        (changed(duration_min_s=0.0), "duration_min_s and duration_mean_s are 0"),
        (changed(per_hour=-1.0), "per_hour is -1, but must be in [0, 10000]"),
        (changed(detection_s=float("inf")), "detection_s is inf"),
        (changed(stray_photons=1.0), "stray_photons is 1, but must not be set for the effect"),
        (changed(loss_db_per_hour=2.0), "it belongs to 'ageing'"),
        ([{**ONE, "name": f"f{i}"} for i in range(17)], "at most 16"),
    ],
)
def test_what_is_wrong_is_named(faults, words):
    with pytest.raises(InvalidInput) as caught:
        NetworkConfig(faults=faults)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_records_have_what_the_kernel_reads():
    lamps = [{**ONE, "name": f"lamp-{i}", "effect": "jamming", "stray_photons": photons}
             for i, photons in enumerate((2.0, 0.5))]  # fmt: skip
    records = fault_records(NetworkConfig(faults=[*TWO, *lamps]).faults, 3)
    assert [EFFECTS[each] for each in records["effect"]] == [
        "outage", "eavesdropping", "jamming", "jamming",
    ]  # fmt: skip
    assert records["detection_s"].tolist() == [np.inf, 5.0, np.inf, np.inf]
    assert records["intercepted_fraction"][1] == 0.2
    assert records["loss_db_per_s"] == pytest.approx(1.0 / 3600.0)
    assert records["tables"].tolist() == [0, 0, 6, 3]  # the brightest are last


def test_there_is_room_for_far_more_events_than_the_mean_and_not_for_thousands():
    faults = NetworkConfig(faults=changed(per_place_hour=1.0, duration_min_s=1800.0)).faults
    mean = (0.5 + 20.0) * (1800.0 + 30.0) / 3600.0
    assert event_capacity(faults, 30.0, 20) == np.ceil(mean + 10.0 * np.sqrt(mean) + 10.0)
    assert event_capacity((), 30.0, 20) == 0
    faults = NetworkConfig(faults=changed(announced_s=1e9)).faults
    with pytest.raises(InvalidInput, match=r"faults has 'power', of which 1.39e\+05 events"):
        event_capacity(faults, 30.0, 20)


@pytest.mark.parametrize("photons", [1e-5, 1e-3, 0.1])
def test_jamming_has_rate_tables_of_the_link_with_stray_light(photons):
    faults = changed(effect="jamming", stray_photons=photons)
    bank = NetworkBank(NetworkConfig(faults=faults, hybrid_presets=("gys",), bank_size=1))
    assert len(bank.arrays.rates) == 4
    assert (bank.arrays.rates[:2] == NetworkBank(bank.config.replace(faults=())).arrays.rates).all()
    shift = int(bank.arrays.faults["tables"][0])
    link = preset("reference")
    loss_db = np.array([1.0, 10.0, 17.5])
    jammed = dataclasses.replace(link, detector=jam(link.detector, photons))
    expected = jammed.evaluate(10.0 ** (-loss_db / 10.0), misalignment=0.015)
    rate, _, qber = rate_table("reference", None, photons).look_up(loss_db, 0.015)
    assert (bank.arrays.rates[shift] == rate_table("reference", None, photons).grid).all()
    np.testing.assert_allclose(rate, expected.key_rate_bps, rtol=1e-3)
    np.testing.assert_allclose(qber, expected.qber, rtol=1e-4)
    assert (qber > rate_table("reference").look_up(loss_db, 0.015)[2]).all()


def test_homodyne_detection_does_not_see_stray_light():
    faults = changed(effect="jamming", stray_photons=1.0)
    bank = NetworkBank(NetworkConfig(faults=faults, hybrid_presets=("cv-metro",), bank_size=1))
    jammed = int(bank.arrays.faults["tables"][0])
    cv = bank.presets.index("cv-metro")
    assert (bank.arrays.rates[jammed + cv] == bank.arrays.rates[cv]).all()
    assert (bank.arrays.rates[jammed] != bank.arrays.rates[0]).any()


def test_no_bound_is_given_where_faults_depend_on_actions():
    config = NetworkConfig(faults=changed(target="stored-key"), bank_size=1)
    with pytest.raises(InvalidInput, match="faults has 'power' with the target 'stored-key'"):
        episode_trace(config, 0)
