"""Topology files: what they may hold, and what happens to those that are wrong."""

import json

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import load


def valid():
    return {
        "name": "small",
        "nodes": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
        "edges": [
            {"source": "a", "target": "b", "length_km": 10},
            {"source": "b", "target": "c", "length_km": 20, "loss_db": 5},
        ],
    }


def test_own_file(tmp_path):
    file = tmp_path / "small.json"
    file.write_text(json.dumps(valid()))
    np.testing.assert_allclose(load(file).loss_db, [2.0, 5.0])


def broken(change):
    content = valid()
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be an object"),
        (broken(lambda c: c.pop("nodes")), "lacks the field 'nodes'"),
        (broken(lambda c: c.update(nodes=3)), "nodes is 3, but must be a list"),
        (broken(lambda c: c.update(edgse=[])), "'edgse'. Did you mean 'edges'"),
        (broken(lambda c: c["nodes"][1].update(id="a")), r"nodes\[1\].id is 'a'"),
        (
            broken(lambda c: c["edges"][0].update(length_km=-3)),
            r"length_km is -3.*in \[1e-06, 50000\] km",
        ),
        (broken(lambda c: c["edges"][0].update(length_km="far")), "length_km is 'far'"),
        (broken(lambda c: c["edges"][0].update(loss_db=-1)), r"loss_db is -1.*in \[0, 10000\] dB"),
        (broken(lambda c: c["edges"][0].update(target="z")), "target is 'z'.*one of 'a', 'b', 'c'"),
        (broken(lambda c: c["edges"][1].update(source="b", target="a")), "joined already"),
        (broken(lambda c: c["edges"][1].update(source="b", target="b")), "to itself"),
        (broken(lambda c: c["edges"].pop()), "cannot be reached"),
        (broken(lambda c: c["edges"][0].update(kind="fiber")), "Did you mean 'fibre'"),
        (broken(lambda c: c["edges"][0].update(lenght_km=3)), "Did you mean 'length_km'"),
    ],
)
def test_malformed_files(tmp_path, text, words):
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=words) as caught:
        load(file)
    assert "bad" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_unknown_name():
    with pytest.raises(InvalidInput, match="existing file"):
        load("nowhere.json")
    with pytest.raises(InvalidInput, match="Did you mean 'madrid'"):
        load("madird")


def refused(folder, text, name="bad"):
    """The sentence with which a file is refused."""
    path = folder / f"{name}.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput) as caught:
        load(path)
    message = str(caught.value)
    assert len(message) <= 300
    assert "\n" not in message
    assert message.startswith("topology '")
    return message


ODD_VALUES = [
    ('"10"', "edges[0].length_km is '10', but must be a number"),
    ("true", "edges[0].length_km is True, but must be a number"),
    ("null", "edges[0].length_km is None, but must be a number"),
    ("[]", "edges[0].length_km is [], but must be a number"),
    ("{}", "edges[0].length_km is {}, but must be a number"),
    ("1" + 400 * "0", "number"),
    ("-" + 5000 * "9", "too many digits"),
    ("1e999", "must be finite"),
    ("NaN", "must be finite"),
    (60 * "[" + 60 * "]", "edges[0].length_km is [[["),
    (100_000 * "[" + 100_000 * "]", "nested more than 64 levels"),
    ('10, "length_km": 20', "has the key 'length_km' twice"),
    ("0", "length_km is 0, but must be in [1e-06, 50000] km"),
    ("1e6", "length_km is 1e+06, but must be in [1e-06, 50000] km (not metres)"),
]


@pytest.mark.parametrize(("value", "words"), ODD_VALUES, ids=lambda value: value[:20])
def test_text_and_huge_numbers_as_lengths_are_refused(tmp_path, value, words):
    text = json.dumps(valid()).replace('"length_km": 10', f'"length_km": {value}')
    assert words in refused(tmp_path, text)


@pytest.mark.parametrize("key", ["x_km", "lat", "population"])
@pytest.mark.parametrize("value", ["1", True, [1], {"a": 1}])
def test_text_as_a_coordinate_is_refused(tmp_path, key, value):
    message = refused(tmp_path, broken(lambda c: c["nodes"][1].update({key: value})))
    assert f"nodes[1].{key} is {value!r}, but must be a number" in message


@pytest.mark.parametrize(("first", "second"), [(1, "1"), ("1", 1), (2, 2), ("", "")])
def test_ids_that_are_the_same_as_text_are_refused(tmp_path, first, second):
    nodes, edges = [{"id": first}, {"id": second}], [{"source": 1, "target": "1", "length_km": 10}]
    message = refused(tmp_path, json.dumps({"name": "x", "nodes": nodes, "edges": edges}))
    assert f"nodes[1].id is {second!r}, but must be unique as text" in message


@pytest.mark.parametrize("value", [None, [], [1], {}, True, 1.0, 1.5])
def test_ids_are_text_or_integers(tmp_path, value):
    message = refused(tmp_path, broken(lambda c: c["nodes"][0].update(id=value)))
    assert f"nodes[0].id is {value!r}, but must be an integer or a text" in message
    message = refused(tmp_path, broken(lambda c: c["edges"][0].update(source=value)))
    assert f"edges[0].source is {value!r}, but must be an integer or a text" in message


def test_ids_of_both_kinds_are_a_network(tmp_path):
    nodes = [{"id": 1}, {"id": "b"}, {"id": -3, "name": "c"}]
    edges = [{"source": "b", "target": 1, "length_km": 3}]
    edges += [{"source": "b", "target": -3, "length_km": 3}]
    path = tmp_path / "both.json"
    path.write_text(json.dumps({"name": "both", "nodes": nodes, "edges": edges}))
    assert load(path).site_names == ("1", "b", "c")


MISSING = [
    (lambda c: c.pop("name"), "lacks the field 'name'"),
    (lambda c: c.pop("edges"), "lacks the field 'edges'"),
    (lambda c: c["nodes"][2].pop("id"), "nodes[2] lacks the field 'id'"),
    (lambda c: c["edges"][1].pop("target"), "edges[1] lacks the field 'target'"),
    (lambda c: c["edges"][1].pop("length_km"), "edges[1] lacks the field 'length_km'"),
    (lambda c: c.update(nodes=[]), "number of sites is 0, but must be in [2, 1000]"),
    (lambda c: c.update(edges=[]), "site 'b' cannot be reached from site 'a'"),
    (lambda c: c["nodes"].append({"id": "d"}), "site 'd' cannot be reached from site 'a'"),
    (lambda c: c["nodes"].pop(), "edges[1].target is 'c', but must be one of 'a', 'b'"),
    (lambda c: c["nodes"][0].update(name=3), "nodes[0].name is 3, but must be a text"),
    (lambda c: c["nodes"][0].update(population=0), "nodes[0].population is 0, but must be in"),
    (lambda c: c["edges"][0].update(preset="gsy"), "link 'a' to 'b': preset is 'gsy'"),
    (lambda c: c["edges"][0].update(preset=None), "edges[0].preset is None, but must be a text"),
    (lambda c: c["edges"][0].update(kind=None), "edges[0].kind is None, but must be a text"),
]


@pytest.mark.parametrize(("change", "words"), MISSING, ids=[words for _, words in MISSING])
def test_what_is_missing_or_empty_is_named(tmp_path, change, words):
    assert words in refused(tmp_path, broken(change))


def test_a_sentence_stays_short_whatever_the_file_holds(tmp_path):
    long = 10_000 * "y"
    names = {name: long + name for name in "abc"}
    content = {
        "name": long,
        "nodes": [{"id": name} for name in names.values()],
        "edges": [
            {"source": names["a"], "target": names["b"], "length_km": -1},
            {"source": names["b"], "target": names["c"], "length_km": 1},
        ],
    }
    assert "length_km is -1" in refused(tmp_path, json.dumps(content), name=50 * "n")
    content["edges"][0]["target"] = long
    assert "edges[0].target is 'yyy" in refused(tmp_path, json.dumps(content), name=50 * "n")
    content["edges"][0][long] = 1
    assert "has no field 'yyy" in refused(tmp_path, json.dumps(content), name=50 * "n")


@pytest.mark.parametrize(
    "text", [b"", b"\0", b"\xff\xfe", b'{"name": "\xff"}', b"null", b'"x"', b"{}"]
)
def test_what_is_no_file_of_a_topology(tmp_path, text):
    refused(tmp_path, text)


def test_folders_and_devices_are_no_topologies(tmp_path):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for path in (
        tmp_path / "folder.json",
        tmp_path / "zero.json",
        "a\0.json",
        5000 * "a" + ".json",
    ):
        with pytest.raises(InvalidInput, match=r"not there|cannot be read"):
            load(path)


def test_sites_without_population_count_as_average_ones(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(
        broken(lambda c: [c["nodes"][i].update(population=10 + 20 * i) for i in (0, 1)])
    )
    assert load(path).site_weight.tolist() == [10, 30, 20]


def test_free_space_links_of_a_file_lose_what_air_takes(tmp_path):
    path = tmp_path / "air.json"
    path.write_text(broken(lambda c: c["edges"][0].update(kind="free-space", length_km=5)))
    assert load(path).loss_db[0] == pytest.approx(3.24, abs=0.01)
