"""Files of other formats that lie: one short sentence each, soon, and nothing else is opened."""

import random

import networkx as nx
import pytest
from mutations import mutated
from test_formats import SNDLIB, ZOO, gml, graphml, node_link
from test_mutated_topologies import outcome

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import clustered, load

SEED = 20_261_128


def refused(folder, name, content):
    """The sentence with which a file is refused."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput) as caught:
        load(path)
    message = str(caught.value)
    assert len(message) <= 300
    assert message.isprintable()
    assert message.startswith("topology '")
    return message


BOMB = "".join(f'<!ENTITY e{i} "{10 * f"&e{i - 1};"}">' for i in range(1, 12))


@pytest.mark.parametrize("name", ["a.xml", "a.graphml"])
@pytest.mark.parametrize(
    "declared",
    [
        f'<!DOCTYPE network [<!ENTITY e0 "x">{BOMB}]>',
        '<!DOCTYPE network [<!ENTITY e11 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE network SYSTEM "http://127.0.0.1/network.dtd">',
    ],
    ids=["bomb", "file", "remote"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_are_read(tmp_path, name, declared, encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?>{declared}<network>&e11;</network>'
    message = refused(tmp_path, name, text.encode(encoding))
    assert "document type declaration" in message


def test_deep_files(tmp_path):
    deep = 100_000
    assert "nested more than 64" in refused(tmp_path, "a.xml", deep * "<a>" + deep * "</a>")
    assert "nested more than 64" in refused(tmp_path, "a.gml", deep * "graph [ " + deep * "]")
    assert "nested more than 64" in refused(tmp_path, "a.json", deep * "[" + deep * "]")


def test_large_files_are_not_read(tmp_path):
    for suffix in ("gml", "graphml", "xml", "csv", "json"):
        assert "is larger than" in refused(tmp_path, f"a.{suffix}", 9 * 2**20 * b" ")


GLOBE = SNDLIB.replace("KIND", "geographical")
SENTENCES = [
    ("a.gml", "", "is not valid GML: it has no graph"),
    ("a.gml", 'Creator "graph [ x"', "is not valid GML: it has no graph"),
    ("a.gml", "graph [ node [ id 1 ] node [ id 1 ] ]", "duplicated"),
    ("a.gml", "graph [ node [ id 1 ] edge [ source 1 target 2 ] ]", "is not valid GML"),
    ("a.gml", "graph [ node [ id 1 ] ]", "number of sites is 1, but must be in [2, 1000]"),
    ("a.gml", ZOO.replace("Latitude 48.21", 'Latitude "north"'), "lat is 'north', but must be"),
    ("a.gml", ZOO.replace("Latitude 48.21", "Latitude 4821"), "lat is 4821, but must be in [-90"),
    ("a.xml", "<svg/>", "holds 'svg', but must be GraphML or SNDlib"),
    ("a.xml", "<network/>", "lacks networkStructure/nodes"),
    ("a.xml", SNDLIB.replace("KIND", "polar"), "coordinatesType is 'polar'"),
    ("a.xml", GLOBE.replace("18.6", "far"), "node 0: x is 'far', but must be a number"),
    ("a.xml", GLOBE.replace("<source>Gdansk", "<source>Gdynia"), "link 0: source is 'Gdynia'"),
    ("a.xml", GLOBE.replace('"Warsaw"', '"Gdansk"'), "node 1: id is 'Gdansk', but must be there"),
    ("a.graphml", "<graphml/>", "is not valid GraphML"),
    ("a.json", '{"links": 3, "nodes": []}', "links is 3, but must be a list"),
    ("a.json", '{"graph": [], "nodes": [], "edges": []}', "graph is [], but must be an object"),
    ("a.json", '{"links": [], "nodes": [3]}', "is not valid node-link JSON"),
    ("a.json", '{"links": [], "nodes": [{"id": 1}, {"id": 1}]}', "2 nodes for 1 different ids"),
    (
        "a.json",
        '{"links": [{"source": 1, "target": 3}], "nodes": [{"id": 1}, {"id": 2}]}',
        "2 nodes for 3 different ids",
    ),
    ("a.txt", "", "must end in one of .json, .csv, .gml, .graphml, .xml"),
]


@pytest.mark.filterwarnings("ignore:topology")
@pytest.mark.parametrize(("name", "text", "words"), SENTENCES)
def test_what_is_wrong_is_named(tmp_path, name, text, words):
    assert words in refused(tmp_path, name, text)


def test_networks_that_are_too_large_are_refused_before_anything_is_computed(tmp_path):
    rows = [f"{site},{site + 1}" for site in range(1_000)]
    message = refused(tmp_path, "a.csv", "\n".join(["source,target", *rows]))
    assert "number of sites is 1001, but must be in [2, 1000]" in message


@pytest.mark.filterwarnings("ignore:topology")
def test_coordinates_of_half_the_sites_are_enough(tmp_path):
    graph, path = nx.cycle_graph(6), tmp_path / "ring.gml"
    for node in range(3):
        path.write_bytes(gml(graph))
        with pytest.raises(InvalidInput, match=rf"too many sites \({6 - node} of 6\) lack"):
            load(path)
        graph.nodes[node].update(lat=48.0 + 0.3 * node, lon=16.0)
    path.write_bytes(gml(graph))
    with pytest.warns(UserWarning, match="put between their neighbours: '3', '4', '5'"):
        assert load(path).length_km.min() >= 30.0


def check_mutants(folder, count):
    """Loads mutated files of every format; none does anything but load or raise `InvalidInput`."""
    network = clustered(6, seed=1).to_networkx()
    originals = {
        "a.gml": [gml(network), ZOO.encode()],
        "a.graphml": [graphml(network)],
        "a.json": [node_link(network)],
        "a.xml": [GLOBE.encode()],
        "links.csv": [b"source,target,length_km,kind\na,b,10,fibre\nb,c,20,free-space\n"],
    }
    rng = random.Random(SEED)
    for name, contents in originals.items():
        networks = 0
        for number in range(count):
            content = mutated(rng.choice(contents), rng)
            (folder / name).write_bytes(content)
            found = outcome(load, folder / name)
            if isinstance(found, str):
                assert len(found) <= 300, (name, number)
                assert found.isprintable(), (name, number)
            else:
                networks += 1
        assert 0 < networks < count


def test_mutated_files_are_networks_or_refused(tmp_path):
    check_mutants(tmp_path, 40)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_10000_mutated_files_are_networks_or_refused(tmp_path):
    check_mutants(tmp_path, 2_000)
