"""Where sites lie on the plane: true to the globe, and to the lengths of links without it."""

import json
import time
import warnings

import networkx as nx
import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import Topology, available, clustered, load
from qkd_gym.topology.positions import EARTH_RADIUS_KM, place, project


def great_circle_km(lat, lon):
    """Distances between all points, by the haversine formula."""
    a, b = np.radians(lat), np.radians(lon)
    haversine = np.sin((a[:, None] - a) / 2) ** 2
    haversine += np.cos(a)[:, None] * np.cos(a) * np.sin((b[:, None] - b) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(haversine, 1.0)))


def plane_km(positions):
    return np.linalg.norm(positions[:, None] - positions, axis=-1)


def largest_error(lat, lon):
    """Largest relative error of a distance on the plane, and the error that `project` states."""
    positions, stated = project(np.array(lat), np.array(lon))
    true = great_circle_km(np.array(lat), np.array(lon))
    pairs = true > 1e-3
    return np.abs(plane_km(positions)[pairs] / true[pairs] - 1).max(), stated


def around(lat, lon, radius_km, points=60):
    """Random points within a radius of a place on the globe; in degrees."""
    rng = np.random.default_rng(0)
    angle = radius_km / EARTH_RADIUS_KM * np.sqrt(rng.random(points))
    bearing = 2 * np.pi * rng.random(points)
    up = np.radians(lat)
    y = np.arcsin(np.sin(up) * np.cos(angle) + np.cos(up) * np.sin(angle) * np.cos(bearing))
    x = np.arctan2(
        np.sin(bearing) * np.sin(angle) * np.cos(up), np.cos(angle) - np.sin(up) * np.sin(y)
    )
    return np.degrees(y), (lon + np.degrees(x) + 180.0) % 360.0 - 180.0


PLACES = [(0, 0), (45, 10), (-33, 151), (-16.8, 180), (89.9, 0), (-90, 77), (70, -179)]


@pytest.mark.parametrize("where", PLACES)
def test_projection_is_within_1_percent_over_1000_km(where):
    error, stated = largest_error(*around(*where, 500.0))
    assert error < 0.01
    assert stated == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("where", PLACES)
def test_projection_is_within_5_percent_over_a_continent(where):
    error, stated = largest_error(*around(*where, 2500.0))
    assert error < 0.05
    assert stated == pytest.approx(error, abs=1e-6)


def test_projection_of_cities():
    """Boston and New York are 306 km apart, Los Angeles and New York 3,936 km."""
    lat, lon = np.array([42.3601, 40.7128, 34.0522]), np.array([-71.0589, -74.0060, -118.2437])
    distance = plane_km(project(lat, lon)[0])
    assert distance[0, 1] == pytest.approx(306, rel=0.02)
    assert distance[1, 2] == pytest.approx(3936, rel=0.02)
    east, north = (project(lat, lon)[0][0] - project(lat, lon)[0][2]).tolist()
    assert east > 3000
    assert north > 300


@pytest.mark.parametrize("lon", [(179.95, -179.95), (179.95, 180.05), (-180.0, 180.0)])
def test_projection_crosses_the_date_line(lon):
    """Two sites of Fiji; the last pair is one place."""
    distance = plane_km(project(np.array([-16.8, -16.8]), np.array(lon))[0])[0, 1]
    assert distance == pytest.approx(0.0 if lon[0] == -180.0 else 10.6, abs=0.05)


def test_projection_of_opposite_points_is_finite():
    positions, error = project(np.array([0.0, 0.0]), np.array([0.0, 180.0]))
    assert np.isfinite(positions).all()
    assert np.isfinite(error)


def file_of(folder, nodes, edges, name="own"):
    path = folder / f"{name}.json"
    content = {"name": name, "nodes": nodes, "edges": [
        {"source": a, "target": b, "length_km": length, **more} for a, b, length, *rest in edges
        for more in (rest or [{}])
    ]}  # fmt: skip
    path.write_text(json.dumps(content))
    return path


def test_latitude_and_longitude_of_a_file(tmp_path):
    nodes = [{"id": "a", "lat": -16.8, "lon": 179.95}, {"id": "b", "lat": -16.8, "lon": -179.95}]
    network = load(file_of(tmp_path, nodes, [("a", "b", 15)]))
    assert plane_km(network.positions_km)[0, 1] == pytest.approx(10.64, abs=0.01)


@pytest.mark.parametrize("name", available())
def test_catalogue_is_drawn_without_a_warning(name):
    """Geodesic links, where the sites are on the globe: a route is never shorter by much."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = load(name)
    ends = network.positions_km[network.link_endpoints]
    line = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    if name in ("germany50-x0.2", "nobel-germany-x0.2", "polska-x0.2", "geant-x0.01"):
        # Their lengths are great circles x 1.3.
        np.testing.assert_allclose(line * 1.3, network.length_km, rtol=0.015, atol=0.02)
    assert (line < 1.4 * network.length_km + 0.5).all() or name.startswith("usnet")


def test_a_network_that_spans_the_globe_gets_a_warning(tmp_path):
    nodes = [
        {"id": "a", "lat": 60.0, "lon": 0.0},
        {"id": "b", "lat": 60.0, "lon": 120.0},
        {"id": "c", "lat": -30.0, "lon": 60.0},
    ]
    path = file_of(tmp_path, nodes, [("a", "b", 9000), ("b", "c", 12000)])
    with pytest.warns(UserWarning, match="'own'.*differ from great circles by up to [0-9]+ %"):
        load(path)


def test_chain_without_positions_lies_as_its_lengths_say(tmp_path):
    """Nine spans of 20 km."""
    nodes = [{"id": i} for i in range(10)]
    network = load(file_of(tmp_path, nodes, [(i, i + 1, 20) for i in range(9)]))
    distance = plane_km(network.positions_km)
    np.testing.assert_allclose(np.diag(distance, 1), 20, rtol=0.02)
    assert distance[0, 9] == pytest.approx(180, rel=0.02)


GRAPHS = {
    "ring": nx.cycle_graph(12),
    "star": nx.star_graph(12),
    "long chain": nx.path_graph(60),
    "grid": nx.convert_node_labels_to_integers(nx.grid_2d_graph(6, 6)),
    "pair": nx.path_graph(2),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_layout_without_positions_has_neighbours_at_their_lengths(name):
    graph = GRAPHS[name]
    nx.set_edge_attributes(graph, 20.0, "length_km")
    network = Topology.from_networkx(graph)
    ends = network.positions_km[network.link_endpoints]
    line = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    np.testing.assert_allclose(line, 20, rtol=0.25)
    np.testing.assert_allclose(network.positions_km.mean(axis=0), 0, atol=0.01)


def test_layout_of_a_metro_network_comes_close_to_the_true_one():
    """Without the fibre's detour, and with twice the error for what a plane leaves open."""
    true = clustered(40, seed=2)
    graph = true.to_networkx()
    for node in graph.nodes.values():
        del node["x_km"], node["y_km"]
    found = Topology.from_networkx(graph)
    pairs = np.triu_indices(40, 1)
    ratio = plane_km(found.positions_km)[pairs] / (1.2 * plane_km(true.positions_km)[pairs])
    assert 0.8 < np.median(ratio) < 1.2
    correlation = np.corrcoef(
        plane_km(found.positions_km)[pairs], plane_km(true.positions_km)[pairs]
    )
    assert correlation[0, 1] > 0.8


def test_layout_does_not_depend_on_last_bits():
    distance = np.asarray(
        nx.floyd_warshall_numpy(clustered(30, seed=3).to_networkx(), weight="length_km")
    )
    unknown = np.full((30, 2), np.nan)
    noise = 1.0 + 1e-14 * np.random.default_rng(4).normal(size=distance.shape)
    first, second = place(unknown, distance), place(unknown, distance * (noise + noise.T) / 2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, np.round(first, 2))


def test_layout_of_very_unlike_lengths_is_finite():
    graph = nx.path_graph(6)
    for number, length in enumerate((1e-6, 5e4, 1e-6, 1e-6, 10.0)):
        graph.edges[number, number + 1]["length_km"] = length
    distance = plane_km(Topology.from_networkx(graph).positions_km)
    assert distance[1, 2] == pytest.approx(5e4, rel=0.01)


def test_layout_of_250_sites_takes_seconds():
    graph = clustered(250, seed=0).to_networkx()
    for node in graph.nodes.values():
        del node["x_km"], node["y_km"]
    begin = time.process_time()
    Topology.from_networkx(graph)
    assert time.process_time() - begin < 20


def test_one_site_without_position_leaves_the_others_where_they_are(tmp_path):
    nodes = [{"id": "a", "x_km": 0, "y_km": 0}, {"id": "b", "x_km": 30, "y_km": 0}, {"id": "c"}]
    network = load(file_of(tmp_path, nodes, [("a", "b", 33), ("b", "c", 5)]))
    np.testing.assert_array_equal(network.positions_km[:2], [[0, 0], [30, 0]])
    assert plane_km(network.positions_km)[1, 2] == pytest.approx(5, rel=0.05)


def test_sites_without_position_lie_among_their_neighbours():
    """Every fourth site of a metro network is forgotten."""
    true = clustered(40, seed=5)
    graph = true.to_networkx()
    for number in range(0, 40, 4):
        del graph.nodes[number]["x_km"], graph.nodes[number]["y_km"]
    found = Topology.from_networkx(graph)
    lost = np.arange(40) % 4 == 0
    np.testing.assert_array_equal(found.positions_km[~lost], true.positions_km[~lost])
    error = np.linalg.norm(found.positions_km - true.positions_km, axis=1)[lost]
    assert np.median(error) < np.median(true.length_km)
    ends = found.positions_km[found.link_endpoints]
    line = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    of_lost = lost[found.link_endpoints].any(axis=1)
    assert np.median(line[of_lost] / found.length_km[of_lost]) == pytest.approx(1.0, abs=0.25)


def test_a_site_without_latitude_is_placed_too(tmp_path):
    nodes = [
        {"id": "a", "lat": 48.2, "lon": 16.3},
        {"id": "b", "lat": 48.2, "lon": 16.8},
        {"id": 3},
    ]
    network = load(file_of(tmp_path, nodes, [("a", "b", 50), ("b", 3, 10)]))
    distance = plane_km(network.positions_km)
    assert distance[0, 1] == pytest.approx(37.06, abs=0.05)
    assert distance[1, 2] == pytest.approx(10, rel=0.1)


PLANE, GLOBE = {"x_km": 1.0, "y_km": 2.0}, {"lat": 48.0, "lon": 16.0}
BAD_POSITIONS = [
    ([{"x_km": 1.0}, PLANE], "site 'a' has x_km, but must have x_km and y_km, or lat and lon"),
    ([PLANE, {"lat": 48.0}], "site 'b' has lat, but must have"),
    ([PLANE, {"lon": 48.0, "y_km": 3.0}], "site 'b' has y_km and lon, but must have"),
    ([PLANE | GLOBE, PLANE], "site 'a' has x_km and y_km and lat and lon, but must have"),
    ([PLANE, GLOBE], "site 'a' has x_km and y_km, but site 'b' has lat and lon"),
    ([GLOBE, PLANE], "site 'b' has x_km and y_km, but site 'a' has lat and lon"),
    ([GLOBE, GLOBE | {"lat": 90.5}], r"site 'b': lat is 90.5, but must be in \[-90, 90\] degrees"),
    ([GLOBE, GLOBE | {"lon": 1e3}], r"lon is 1000, but must be in \[-180, 360\] degrees"),
    ([PLANE, PLANE | {"x_km": 5.4e6}], "x_km is 5.4e.06, but must be .* km .not metres."),
]


@pytest.mark.parametrize(("nodes", "words"), BAD_POSITIONS)
def test_odd_positions_are_refused_by_name(tmp_path, nodes, words):
    nodes = [{"id": name, **node} for name, node in zip("ab", nodes, strict=True)]
    with pytest.raises(InvalidInput, match=words):
        load(file_of(tmp_path, nodes, [("a", "b", 15)]))
    graph = nx.path_graph(2)
    nx.set_edge_attributes(graph, 15, "length_km")
    graph = nx.relabel_nodes(graph, {0: "a", 1: "b"})
    nx.set_node_attributes(graph, {node.pop("id"): node for node in nodes})
    with pytest.raises(InvalidInput, match=words):
        Topology.from_networkx(graph)


def test_coordinates_in_metres_are_suspected(tmp_path):
    nodes = [
        {"id": name, "x_km": x, "y_km": 0} for name, x in zip("abc", (0, 10000, 60000), strict=True)
    ]
    with pytest.raises(InvalidInput, match="length_km is 10, but x_km and y_km .* not metres"):
        load(file_of(tmp_path, nodes, [("a", "b", 10), ("b", "c", 50)]))


def test_lengths_in_metres_are_suspected(tmp_path):
    nodes = [{"id": name, "x_km": x, "y_km": 0} for name, x in zip("abc", (0, 10, 60), strict=True)]
    with pytest.raises(InvalidInput, match="length_km is 12000, but x_km and y_km .* not metres"):
        load(file_of(tmp_path, nodes, [("a", "b", 12000), ("b", "c", 50)]))
    with pytest.raises(InvalidInput, match="length_km is 120000, but must be .* .not metres."):
        load(file_of(tmp_path, nodes, [("a", "b", 120000), ("b", "c", 50)]))


def test_a_link_of_5000_km_is_a_network(tmp_path):
    path = file_of(tmp_path, [{"id": 0}, {"id": 1}], [(0, 1, 5000, {"preset": "cv-metro"})])
    network = load(path)
    assert network.loss_db.tolist() == [1000]
    network.check_features()


def test_networks_beyond_the_range_of_features_are_refused(tmp_path):
    far = load(file_of(tmp_path, [{"id": 0}, {"id": 1}], [(0, 1, 5001)]))
    with pytest.raises(InvalidInput, match="length_km is 5001, but observations hold.*not metres"):
        far.check_features()
    nodes = [{"id": i, "x_km": 6000 * i, "y_km": 0} for i in range(4)]
    wide = load(file_of(tmp_path, nodes, [(i, i + 1, 4900) for i in range(3)]))
    with pytest.raises(InvalidInput, match="site '0': x_km or y_km.* is 9000, but observations"):
        wide.check_features()
    star = nx.star_graph(801)
    nx.set_edge_attributes(star, 10.0, "length_km")
    nx.set_node_attributes(star, 0.0, "x_km")
    nx.set_node_attributes(star, 0.0, "y_km")
    nx.set_node_attributes(star, 0, "district")
    with pytest.raises(InvalidInput, match="number of links is 801"):
        Topology.from_networkx(star).check_features()
    for name in available():
        load(name).check_features()
