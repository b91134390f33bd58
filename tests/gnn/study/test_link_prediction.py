"""The source study's task, noise-free link prediction."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.metrics import roc_auc_score

from qkd_gym.gnn.study.link_prediction import hide_links, neighbourhood_scores, study_size
from qkd_gym.topology import source_study


def test_hidden_links_are_not_given_and_the_others_are():
    rng = np.random.default_rng(0)
    topology = source_study(20, rng)
    task = hide_links(topology, rng)
    links = {tuple(ends) for ends in topology.link_endpoints.tolist()}
    given = {tuple(ends) for ends in task.ends.tolist()}
    hidden = {tuple(ends) for ends in task.pairs[task.linked == 1].tolist()}
    apart = {tuple(ends) for ends in task.pairs[task.linked == 0].tolist()}
    assert given | hidden == links
    assert not given & hidden
    assert not apart & links
    assert len(hidden) == round(0.2 * len(links)) == len(apart)
    assert given == {tuple(sorted(edge)) for edge in task.given.edges}


def test_heuristics_by_hand():
    rng = np.random.default_rng(1)
    task = hide_links(source_study(15, rng), rng)
    found = neighbourhood_scores(task)
    near = [set(task.given[site]) for site in range(15)]
    for k, (u, v) in enumerate(task.pairs.tolist()):
        both, either = near[u] & near[v], near[u] | near[v]
        assert found["common neighbours"][k] == len(both)
        assert found["preferential attachment"][k] == len(near[u]) * len(near[v])
        assert found["jaccard"][k] == pytest.approx(len(both) / max(len(either), 1))
        expected = sum(1 / np.log(len(near[w])) for w in both)
        assert found["adamic-adar"][k] == pytest.approx(expected)


def test_distance_alone_decides():
    rng = np.random.default_rng(2)
    tasks = [hide_links(source_study(20, rng), rng) for _ in range(10)]
    aucs = [roc_auc_score(task.linked, -task.distance_km) for task in tasks]
    assert min(aucs) > 0.95


@pytest.mark.slow
def test_network_learns_geometry_better_than_neighbourhoods():
    rows = study_size(20, 20, seed=1)
    best = max(rows[name]["auc"] for name in ("common neighbours", "adamic-adar", "jaccard"))
    assert rows["gnn"]["auc"] > max(0.95, best)
