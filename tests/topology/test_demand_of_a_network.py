"""Demand of a user's own: what is taken, what is refused in one sentence, and its files."""

import dataclasses
import json

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import Demand, Topology, from_mapping, load, read_requests
from qkd_gym.topology.demand import Request, read_demand

NAMES = ("Ada", "Bob", "Eve", "Bob")
MATRIX = [[0, 1, 0, 0], [1, 0, 2.5, 0], [0, 2.5, 0, 0], [0, 0, 0, 0]]


def test_rows_are_sorted_and_sites_found_by_number_and_name():
    rows = [(9.0, "Ada", 3, 7), (1, 1, "Eve", 5), (9.0, "2", "Ada", 6)]
    assert read_demand({"requests": rows}, NAMES).requests == (
        Request(1.0, 1, 2, 5),
        Request(9.0, 0, 3, 7),
        Request(9.0, 2, 0, 6),
    )
    kinds = [("time_s", "f8"), ("source", "i4"), ("target", "i4"), ("bits", "i8")]
    structured = np.array([(9.0, 0, 3, 7), (1.0, 1, 2, 5)], kinds)
    found = read_demand({"requests": structured}, NAMES)
    assert found.requests == (Request(1.0, 1, 2, 5), Request(9.0, 0, 3, 7))


def test_a_matrix_may_be_an_array_and_reads_again_as_itself():
    demand = read_demand({"matrix": np.array(MATRIX), "unit": "bps"}, NAMES)
    assert demand == Demand(tuple(tuple(map(float, row)) for row in MATRIX), "bps")
    assert read_demand(demand, NAMES) == demand
    assert read_demand(json.loads(json.dumps(dataclasses.asdict(demand))), NAMES) == demand


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (3, "demand is 3, but must be a mapping"),
        ({}, "demand is empty, but must have a matrix or requests"),
        ({"matirx": MATRIX}, "Did you mean 'matrix'"),
        ({"matrix": MATRIX[:3]}, "demand.matrix is .* shape \\(4, 4\\)"),
        ({"matrix": [[0, 1, 2, 3], *MATRIX[1:]]}, "2 from site 0 to 2 and 0 back"),
        ({"matrix": np.diag([0, 0, 5, 0])}, "demand.matrix is 5 from site 2 to itself"),
        ({"matrix": np.zeros((4, 4))}, "positive for some pair"),
        ({"matrix": -np.array(MATRIX)}, "demand.matrix is -1"),
        ({"matrix": 1e-9 * np.array(MATRIX)}, "where it is not 0 is 1e-09"),
        ({"matrix": 1e15 * np.array(MATRIX)}, "demand.matrix is 1e.15"),
        ({"requests": [(1.0, 0, 1, 10**13)]}, "bits is 1e.13"),
        ({"matrix": MATRIX, "unit": "kbps"}, "demand.unit is 'kbps'"),
        ({"requests": "trace.csv"}, "demand.requests is 'trace.csv', but must be a list"),
        ({"requests": [(1.0, 0, 1)]}, "demand.requests\\[0\\] is \\(1.0, 0, 1\\)"),
        ({"requests": [(-1.0, 0, 1, 5)]}, "time_s is -1"),
        ({"requests": [(float("nan"), 0, 1, 5)]}, "time_s is nan"),
        ({"requests": [(1.0, 0, 1, 0)]}, "bits is 0"),
        ({"requests": [(1.0, 0, 1, 2.5)]}, "bits is .2.5"),
        ({"requests": [(1.0, 0, 4, 5)]}, "target is 4"),
        ({"requests": [(1.0, "Adda", 1, 5)]}, "source is 'Adda'.*Did you mean 'Ada'"),
        ({"requests": [(1.0, "Bob", 0, 5)]}, "two sites have that name"),
        ({"requests": [(1.0, True, 0, 5)]}, "source is True"),
        ({"requests": [(1.0, 2, 2, 5)]}, "from site 2 to itself"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(given, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read_demand(given, NAMES)


def test_a_topology_file_keeps_it_by_its_own_ids(tmp_path):
    content = {
        "name": "three",
        "nodes": [{"id": 10, "name": "Ada"}, {"id": 7, "name": "Bob"}, {"id": "x", "name": "Eve"}],
        "edges": [
            {"source": 10, "target": 7, "length_km": 5},
            {"source": 7, "target": "x", "length_km": 5},
        ],
        "demand": {"requests": [[3.0, 7, "x", 99], [1.0, "10", 7, 1]]},
    }
    network = from_mapping(content)
    assert network.demand.requests == (Request(1.0, 0, 1, 1), Request(3.0, 1, 2, 99))
    network.save(tmp_path / "three.json")
    again = load(tmp_path / "three.json")
    assert again.demand == network.demand
    assert Topology.from_networkx(network.to_networkx()).demand == network.demand
    assert dataclasses.replace(network, demand=None) != network
    with pytest.raises(InvalidInput, match=r"demand\.requests\[0\]\[1\]|demand\.requests"):
        from_mapping({**content, "demand": {"requests": [[1.0, None, 7, 1]]}})


def test_without_demand_a_network_says_nothing_of_it():
    assert "demand" not in load("madrid").to_mapping()


def test_recorded_requests_are_read_from_csv_and_json(tmp_path):
    table, rows = tmp_path / "a.csv", tmp_path / "a.json"
    table.write_text("bits,time_s,source,target\n256,1.5,Ada,2\n", encoding="utf-8")
    rows.write_text('[[1.5, "Ada", 2, 256]]', encoding="utf-8")
    assert read_requests(table) == [(1.5, "Ada", "2", 256)]
    assert read_requests(rows) == [(1.5, "Ada", 2, 256)]
    for text, sentence in (
        ("bits,time_s,source\n", "columns"),
        ("bits,time_s,source,target\n2.5,1,a,b\n", "line 2: bits is '2.5'.*whole number"),
        ("bits,time_s,source,target\n2\n", "line 2: time_s is ''"),
        ("bits,time_s,source,target\n2,1,a,b,c\n", "line 2 has more cells"),
    ):
        table.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInput, match=sentence):
            read_requests(table)
