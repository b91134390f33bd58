"""Networks as plain values and files, and when two of them are the same."""

import dataclasses
import json

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import available, clustered, from_mapping, load


def networks():
    yield clustered(12, seed=3)
    yield from map(load, available())


def test_plain_values_make_the_same_network():
    for network in networks():
        again = from_mapping(json.loads(json.dumps(network.to_mapping())))
        assert again == network
        for field in dataclasses.fields(network):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(network, field.name))


def test_a_saved_network_is_loaded_as_it_was(tmp_path):
    network = clustered(12, seed=3)
    network.save(str(tmp_path / "mine.json"))
    again = load(tmp_path / "mine.json")
    assert again.name == "mine"
    assert dataclasses.replace(again, name=network.name, source=network.source) == network


def test_the_name_of_a_saved_network_tells_its_format(tmp_path):
    network = clustered(12, seed=3)
    with pytest.raises(InvalidInput, match=r"path is .*mine.gml', but must end in .json"):
        network.save(tmp_path / "mine.gml")
    with pytest.raises(InvalidInput, match="folder"):
        network.save(str(tmp_path / "absent" / "mine.json"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["length_km", "loss_db", "positions_km", "site_weight"])
def test_networks_differ_by_their_content(field):
    network = clustered(12, seed=3)
    other = dataclasses.replace(network, **{field: getattr(network, field) * 1.001})
    assert other != network
    assert {network, other, dataclasses.replace(network)} == {network, other}
