"""Files of other formats: what a network is called and how long its links are in each."""

import io
import json

import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import clustered, load

ABC = nx.Graph([("a", "b"), ("b", "c")])

ZOO = """graph [
  Network "Small"
  Source "http://example.org/map"
  node [ id 0 label "Wien" Internal 1 Longitude 16.37 Latitude 48.21 ]
  node [ id 1 label "Graz" Internal 1 Longitude 15.44 Latitude 47.07 ]
  node [ id 2 label "Linz" Internal 1 Longitude 14.29 Latitude 48.31 ]
  node [ id 3 label "None" Internal 1 ]
  node [ id 4 label "Elsewhere" Internal 0 ]
  edge [ source 0 target 1 LinkLabel "155 Mbps" ]
  edge [ source 0 target 1 LinkLabel "622 Mbps" ]
  edge [ source 0 target 2 ]
  edge [ source 1 target 3 ]
  edge [ source 2 target 3 ]
  edge [ source 0 target 4 ]
  edge [ source 1 target 1 ]
]
"""

SNDLIB = """<?xml version="1.0" encoding="ISO-8859-1"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0">
 <networkStructure>
  <nodes coordinatesType="KIND">
   <node id="Gdansk"><coordinates><x>18.6</x><y>54.2</y></coordinates></node>
   <node id="Warsaw"><coordinates><x>21.0</x><y>52.2</y></coordinates></node>
  </nodes>
  <links>
   <link id="L1"><source>Gdansk</source><target>Warsaw</target><setupCost>1.0</setupCost></link>
   <link id="L2"><source>Warsaw</source><target>Gdansk</target></link>
  </links>
 </networkStructure>
 <demands><demand id="D"><source>Gdansk</source><target>Warsaw</target></demand></demands>
</network>
"""
GDANSK_WARSAW_KM = 273.9  # as topohub's copy of SNDlib has it
WIEN, GRAZ, LINZ = (48.21, 16.37), (47.07, 15.44), (48.31, 14.29)


def haversine_km(first, second):
    (lat, lon), (other_lat, other_lon) = np.radians(first), np.radians(second)
    half = np.sin((other_lat - lat) / 2) ** 2
    half += np.cos(lat) * np.cos(other_lat) * np.sin((other_lon - lon) / 2) ** 2
    return 2 * 6371.0088 * np.arcsin(np.sqrt(half))


def graphml(graph):
    content = io.BytesIO()
    nx.write_graphml(graph, content)
    return content.getvalue()


def gml(graph):
    content = io.BytesIO()
    nx.write_gml(graph, content)
    return content.getvalue()


def node_link(graph, edges="edges"):
    return json.dumps(nx.node_link_data(graph, edges=edges)).encode()


FORMATS = {
    "net.graphml": graphml,
    "net.xml": graphml,
    "net.gml": gml,
    "net.GML": gml,
    "net.json": node_link,
    "links/net.json": lambda graph: node_link(graph, "links"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_network_is_the_same_in_every_format(tmp_path, name):
    network = clustered(12, seed=3)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(FORMATS[name](network.to_networkx()))
    again = load(path)
    assert again.name == "net"
    assert again.to_mapping()["nodes"] == network.to_mapping()["nodes"]
    assert again.to_mapping()["edges"] == network.to_mapping()["edges"]


def test_a_file_of_the_topology_zoo(tmp_path):
    path = tmp_path / "small.gml"
    path.write_text(ZOO)
    with pytest.warns(UserWarning, match="topology 'small'") as notes:
        network = load(path)
    told = " ".join(str(note.message) for note in notes)
    for words in (
        "external sites are left out: 'Elsewhere'.",
        "links from a site to itself are left out: 'Graz'.",
        "of parallel links the shortest counts: 'Wien to Graz'.",
        "sites without coordinates are put between their neighbours: '3'.",
    ):
        assert words in told
    assert network.site_names == ("Wien", "Graz", "Linz", "3")
    assert network.source == "http://example.org/map"
    assert network.link_endpoints.tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]
    expected = [haversine_km(WIEN, GRAZ), haversine_km(WIEN, LINZ)]
    np.testing.assert_allclose(network.length_km[:2], expected, atol=1e-5)
    # Neither shorter than to the middle of Graz and Linz, nor than the median of the two.
    assert (network.length_km[2:] >= np.median(network.length_km[:2]) - 1e-6).all()


@pytest.mark.filterwarnings("ignore:topology")
def test_graphml_and_gml_of_one_network_agree(tmp_path):
    (tmp_path / "small.gml").write_text(ZOO)
    multigraph = ZOO.replace("graph [", "graph [ multigraph 1", 1).encode()
    graph = nx.read_gml(io.BytesIO(multigraph), label="id")
    (tmp_path / "small.graphml").write_bytes(graphml(graph))
    assert load(tmp_path / "small.gml") == load(tmp_path / "small.graphml")


def test_topohub_data_are_on_the_globe_or_on_a_plane(tmp_path):
    for name, east, north, dist in (("globe", 18.6, 54.2, 273.9), ("plane", 100.0, 20.0, 50.0)):
        other = (21.0, 52.2) if name == "globe" else (140.0, 50.0)
        nodes = [{"id": 0, "name": "A", "pos": [east, north]}, {"id": 1, "name": "B", "pos": other}]
        links = [{"source": 0, "target": 1, "dist": dist, "ecmp_fwd": {"uni": 1.0}}]
        content = {"directed": False, "multigraph": False, "graph": {}, "nodes": nodes}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**content, "links": links}))
        network = load(path)
        assert network.length_km.tolist() == [dist]
        gap = np.linalg.norm(network.positions_km[0] - network.positions_km[1])
        assert gap == pytest.approx(dist, rel=1e-3)


def test_degrees_that_are_kilometres_by_their_lengths():
    graph = ABC.copy()
    places = {"a": (120.0, 10.0), "b": (120.0, 40.0), "c": (160.0, 40.0)}
    for node, (east, north) in places.items():
        graph.nodes[node].update(lon=east, lat=north)
    nx.set_edge_attributes(graph, {("a", "b"): 30.0, ("b", "c"): 40.0}, "dist")
    network = load(graph)
    assert np.ptp(network.positions_km, axis=0).tolist() == [40.0, 30.0]


def test_a_drawing_is_no_place():
    graph = ABC.copy()
    nx.set_node_attributes(graph, nx.circular_layout(ABC), "pos")
    nx.set_edge_attributes(graph, 20.0, "length_km")
    network = load(graph)
    assert np.linalg.norm(network.positions_km[0] - network.positions_km[1]) > 10.0


def test_sndlib(tmp_path):
    path = tmp_path / "two.xml"
    path.write_text(SNDLIB.replace("KIND", "geographical"))
    network = load(path)
    assert network.site_names == ("Gdansk", "Warsaw")
    np.testing.assert_allclose(network.length_km, [GDANSK_WARSAW_KM], atol=0.1)
    path.write_text(SNDLIB.replace("KIND", "pixel"))
    with pytest.warns(UserWarning, match="pixels"):
        assert load(path).length_km[0] == pytest.approx(np.hypot(2.4, 2.0))


def test_tables_of_links_and_sites(tmp_path):
    links = tmp_path / "my-links.csv"
    links.write_text("source,target,length_km,loss_db,kind\na,b,10,,fibre\nb,c,5,3.5,free-space\n")
    network = load(links)
    assert network.site_names == ("a", "b", "c")
    assert network.loss_db.tolist() == [2.0, 3.5]
    assert network.free_space.tolist() == [False, True]
    links.write_text("source;target\na;b\nb;a\nb;c\n")
    (tmp_path / "my-sites.csv").write_text(
        "\ufeffid;name;lat;lon;population\n\nc;Graz;47.07;15.44;300000\na;Wien;48.21;16.37;\n"
        "b;Linz;48.31;14.29;200000\n"
    )
    network = load(links)
    assert network.site_names == ("Graz", "Wien", "Linz")
    assert network.site_weight.tolist() == [300_000, 250_000, 200_000]
    expected = [haversine_km(GRAZ, LINZ), haversine_km(WIEN, LINZ)]
    np.testing.assert_allclose(network.length_km, expected, atol=1e-5)


BROKEN_TABLES = [
    ("", "has 0 columns 'source'"),
    ("source,target\na,b,3", "line 2 has 3 fields, but must have 2"),
    ("source,target,lenght_km\n", "Did you mean 'length_km'"),
    ("source,target,target\n", "has 2 columns 'target'"),
    ("source,target,length_km\na,b,1\n\na,,2", "line 4 lacks target"),
    ('source,target,length_km\na,b,"1,5"', "line 2: length_km is '1,5', but must be a number"),
    ("source,target,length_km\na,b,nan\n", "lacks length_km"),
    ("source,target,length_km\na,b,-1\n", "length_km is -1"),
    ("source,target,kind\na,b,glass\n", "line 2: kind is 'glass'"),
    ('source,target\n"a,b\n', "is not valid CSV"),
]


@pytest.mark.parametrize(("text", "words"), BROKEN_TABLES)
def test_broken_tables(tmp_path, text, words):
    path = tmp_path / "links.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="topology '") as caught:
        load(path)
    assert words in str(caught.value)


def test_links_of_a_table_lead_to_sites_of_the_other(tmp_path):
    (tmp_path / "links.csv").write_text("source,target,length_km\na,z,1\n")
    (tmp_path / "sites.csv").write_text("id\na\nb\n")
    with pytest.raises(InvalidInput, match=r"links.csv' line 2: target is 'z'.*one of 'a', 'b'"):
        load(tmp_path / "links.csv")
    (tmp_path / "sites.csv").write_text("id\na\na\n")
    with pytest.raises(InvalidInput, match=r"sites.csv' line 3: id is 'a', but must be unique"):
        load(tmp_path / "links.csv")
