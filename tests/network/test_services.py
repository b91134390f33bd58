"""Service classes as users and files give them."""

import json

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, get_scenario
from qkd_gym.network.bank import NetworkBank
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.network.services import ServiceClass, service_records

TWO = [
    {"name": "rekey", "share": 0.75, "size": 0.5, "value": 4.0, "patience_s": 95.0},
    {"name": "bulk", "share": 0.25, "size": 2.0},
]


def test_mappings_and_records_are_the_same():
    config = NetworkConfig(service_classes=TWO)
    assert config.service_classes[1] == ServiceClass("bulk", 0.25, 2.0, 1.0, 0.0)
    assert NetworkConfig(service_classes=config.service_classes) == config
    again = NetworkConfig.from_mapping(json.loads(json.dumps(as_mapping(config))))
    assert again == config
    assert hash(again) == hash(config)
    assert config.replace(load=1.0) == config


def test_without_classes_a_configuration_says_what_it_said_before_there_were_any():
    assert "service_classes" not in as_mapping(NetworkConfig())
    assert not get_scenario("metro").service_classes


def changed(**changes):
    return [{**TWO[0], **changes}, TWO[1]]


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (5, "service_classes is 5, but must be a list"),
        ("rekey", "must be a list"),
        ({"name": "rekey"}, "must be a list"),
        ([3], "service_classes[0] is 3, but must be a mapping"),
        ([{"share": 1.0}], "service_classes[0] has no name"),
        ([{"name": "a", "size": 1.0, "valu": 2.0}], "Did you mean 'value'?"),
        (changed(share=0.5), "have shares of 0.75 together"),
        (changed(name="bulk"), "must have different names"),
        (changed(name="re key"), "service_classes[0]: name is 're key'"),
        (changed(name=7), "service_classes[0]: name is 7"),
        (changed(share=0.0), "service_classes[0]: share is 0, but must be in (0, 1]"),
        (changed(size=0.0), "size is 0, but must be in [0.001, 1000]"),
        (changed(value=-1.0), "value is -1, but must be in [0, 1000]"),
        (changed(patience_s=float("nan")), "patience_s is nan, but must be in [0, 1e+06] s"),
        (changed(patience_s="long"), "patience_s is 'long'"),
        ([{"name": "a", "value": 0.0}], "must have one for some class"),
        ([{"name": f"c{i}", "share": 1 / 17} for i in range(17)], "at most 16"),
    ],
)
def test_what_is_wrong_is_named(classes, words):
    with pytest.raises(InvalidInput) as caught:
        NetworkConfig(service_classes=classes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sizes_have_mean_one_over_requests_and_values_over_offered_bits():
    classes = NetworkConfig(service_classes=TWO).service_classes
    records = service_records(classes, 30.0)
    share = np.array([0.75, 0.25])
    assert (share * records["size"]).sum() == pytest.approx(1.0)
    assert (share * records["size"] * records["value"]).sum() == pytest.approx(1.0)
    assert records["size"][1] / records["size"][0] == pytest.approx(4.0)
    assert records["value"][0] / records["value"][1] == pytest.approx(4.0)
    assert records["up_to"].tolist() == [0.75, 1.0]
    assert records["patience"].tolist() == [3, 0]  # whole intervals of 30 s


def test_load_keeps_its_meaning():
    plain, classes = NetworkConfig(bank_size=1), NetworkConfig(bank_size=1, service_classes=TWO)
    banks = [NetworkBank(config) for config in (plain, classes)]
    for bank in banks:
        bank.ensure(0)
    assert banks[0].arrays.networks == banks[1].arrays.networks
