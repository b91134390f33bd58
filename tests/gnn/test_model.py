"""The viability network: symmetries, padding, learning, and files that do not fit."""

import json

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from torch_geometric.data import Batch  # noqa: E402

import qkd_gym  # noqa: E402, F401
from qkd_gym.errors import InvalidInput  # noqa: E402
from qkd_gym.features import LINK  # noqa: E402
from qkd_gym.gnn import (  # noqa: E402
    GraphBatch,
    LinkViabilityGNN,
    batch_graphs,
    load_pretrained,
    load_weights,
    save_weights,
    to_pyg,
)
from qkd_gym.gnn.data import simulate  # noqa: E402
from qkd_gym.gnn.graphs import PyGObservation  # noqa: E402
from qkd_gym.gnn.hidden import STRONGER, WEAKER, draw  # noqa: E402
from qkd_gym.gnn.predict import predict  # noqa: E402
from qkd_gym.gnn.scores import score_network, scores  # noqa: E402
from qkd_gym.topology.generators import clustered  # noqa: E402


@pytest.fixture(scope="module")
def observed():
    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=3, scenario="hidden", bank_size=3)
    observation, _ = env.reset(seed=0)
    return {name: torch.as_tensor(array) for name, array in observation.items()}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return LinkViabilityGNN().eval()


def padded(model, observation):
    """Logits in the padded shape."""
    graphs = batch_graphs(observation)
    out = torch.full((observation["link_mask"].numel(),), torch.nan)
    out[graphs.slots] = model(graphs).detach()
    return out.view(observation["link_mask"].shape)


def test_batching_equals_one_by_one(model, observed):
    together = padded(model, observed)
    for i in range(3):
        alone = padded(model, {name: tensor[i : i + 1] for name, tensor in observed.items()})
        torch.testing.assert_close(together[i : i + 1], alone, equal_nan=True)


def test_padding_changes_nothing(model, observed):
    more = dict(observed)
    for name in ("links", "link_endpoints", "link_mask"):
        empty = torch.zeros_like(observed[name])[:, :7]
        more[name] = torch.cat([observed[name], empty], dim=1)
    links = observed["links"].shape[1]
    torch.testing.assert_close(
        padded(model, more)[:, :links], padded(model, observed), equal_nan=True
    )


def test_order_of_links_sites_and_ends_does_not_matter(model, observed):
    expected = padded(model, observed)
    n_sites, n_links = observed["nodes"].shape[1], observed["links"].shape[1]
    links, sites = torch.randperm(n_links), torch.randperm(n_sites)
    place = torch.argsort(sites)
    shuffled = {
        "nodes": observed["nodes"][:, sites],
        "links": observed["links"][:, links],
        "link_mask": observed["link_mask"][:, links],
        "link_endpoints": place[observed["link_endpoints"].long()][:, links].flip(2),
    }
    torch.testing.assert_close(
        padded(model, shuffled), expected[:, links], equal_nan=True, rtol=1e-4, atol=1e-5
    )


def test_more_measurements_count(model, observed):
    """Softmax attention alone could not tell one measurement from two equal ones."""
    links = torch.zeros(3, observed["links"].shape[2])
    links[:, LINK.nominal_rate] = 1.0
    links[:2, LINK.freshness] = 0.9
    links[:2, LINK.observed_qber] = 0.8
    one = GraphBatch(
        torch.zeros(4, observed["nodes"].shape[2]), links[1:],
        torch.tensor([[0, 0], [2, 3]]), torch.zeros(4, dtype=torch.long), torch.arange(2),
    )  # fmt: skip
    two = one._replace(
        links=links, ends=torch.tensor([[0, 0, 0], [1, 2, 3]]), slots=torch.arange(3)
    )
    assert not torch.allclose(model(one)[-1], model(two)[-1], atol=1e-4)


def test_measurements_far_away_tell_how_much_is_hidden(model, observed):
    """Attention hears of none beyond six links; sums over the network do, and of none beside it."""
    chain = torch.tensor([range(20), range(1, 21)])
    links = torch.zeros(20, observed["links"].shape[2])
    links[:, LINK.nominal_rate] = 1.0
    nodes = torch.zeros(21, observed["nodes"].shape[2])
    whole = GraphBatch(nodes, links, chain, torch.zeros(21, dtype=torch.long), torch.arange(20))
    seen = links.clone()
    seen[19, LINK.freshness], seen[19, LINK.observed_qber] = 0.9, 0.8
    assert not torch.allclose(model(whole)[0], model(whole._replace(links=seen))[0], atol=1e-4)
    apart = whole._replace(networks=(torch.arange(21) > 18).long())
    torch.testing.assert_close(model(apart)[0], model(apart._replace(links=seen))[0])


def test_load_does_not_leak_into_viability(model, observed):
    """What is in the pools tells nothing about hidden quality."""
    changed = {name: tensor.clone() for name, tensor in observed.items()}
    changed["links"][..., LINK.pool_fill] += 0.5
    torch.testing.assert_close(padded(model, changed), padded(model, observed), equal_nan=True)


def test_pyg_wrapper_gives_both_directions():
    env = PyGObservation(gym.make("qkd_gym/LinkActivation-v0", bank_size=1))
    data, info = env.reset(seed=0)
    plain, _ = gym.make("qkd_gym/LinkActivation-v0", bank_size=1).reset(seed=0)
    assert data.num_edges == 2 * plain["link_mask"].sum()
    assert data.is_undirected()
    assert data.edge_index.equal(to_pyg(plain).edge_index)
    data, *_ = env.step(0)
    assert data.num_nodes == 20
    assert info["action_mask"].any()


def test_torch_geometric_graphs_keep_what_is_no_part_of_the_graph():
    env = gym.make("qkd_gym/Network-v0", bank_size=2, n_sites=8)
    seen = [env.reset(seed=seed)[0] for seed in (0, 1)]
    batch = Batch.from_data_list([to_pyg(each) for each in seen])
    beside = {"context", "action_mask", "request", "request_endpoints", "paths", "path_links"}
    assert beside <= set(batch.keys())
    for name in beside:
        np.testing.assert_array_equal(batch[name], np.stack([each[name] for each in seen]))
    assert not {"nodes", "links", "node_mask", "link_mask"} & set(batch.keys())


def test_shipped_weights_beat_guessing_on_unseen_networks():
    rng = np.random.default_rng(77)
    graphs = [draw(clustered(20, rng), rng) for _ in range(24)]
    row = score_network(load_pretrained(), graphs)
    rate = np.concatenate([graph.viable for graph in graphs]).mean()
    assert row["auc"] > 0.8
    assert row["brier"] < 0.75 * rate * (1 - rate)
    assert row["calibration_error"] < 0.06


@pytest.mark.parametrize("setting", [WEAKER, STRONGER])
def test_shipped_weights_infer_spreads_that_they_are_not_told(setting):
    """Weights trained on the reference's spreads alone are off by .08 and .05."""
    rng = np.random.default_rng(78)
    graphs = [draw(clustered(40, rng), rng, setting) for _ in range(60)]
    chance, viable = (
        np.concatenate(parts)
        for parts in zip(
            *((predict(load_pretrained(), graph), graph.viable) for graph in graphs), strict=True
        )
    )
    assert abs(chance.mean() - viable.mean()) < 0.035
    assert scores(chance, viable)["calibration_error"] < 0.04


def test_shipped_weights_know_the_simulator_too():
    assert score_network(load_pretrained(), simulate(20, 16, seed=77, split="test"))["auc"] > 0.8


def test_simulated_labels_are_both_and_repeat():
    graphs = simulate(10, 16, seed=3)
    assert 0.2 < np.concatenate([graph.viable for graph in graphs]).mean() < 0.98
    for graph, again in zip(graphs, simulate(10, 16, seed=3), strict=True):
        np.testing.assert_array_equal(graph.viable, again.viable)
        assert ((graph.rate_share >= 0.0) & (graph.rate_share <= 1.0)).all()


def test_weights_round_trip(tmp_path, model, observed):
    file = tmp_path / "weights.safetensors"
    save_weights(model, file, {"seed": 0})
    torch.testing.assert_close(
        padded(load_weights(file).eval(), observed), padded(model, observed), equal_nan=True
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "weights.json",
        "weights.safetensors",
    ]


def test_weights_that_do_not_fit(tmp_path, model):
    file = tmp_path / "weights.safetensors"
    with pytest.raises(InvalidInput, match="is not there"):
        load_weights(file)
    save_weights(model, file, {})
    card = json.loads(file.with_suffix(".json").read_text())

    def rejects(change, words):
        file.with_suffix(".json").write_text(json.dumps({**card, **change}))
        with pytest.raises(InvalidInput, match=words) as caught:
            load_weights(file)
        assert "\n" not in str(caught.value)

    rejects({"format": 99}, "format 99")
    rejects({"architecture": {**card["architecture"], "hidden": 64}}, "larger|does not fit")
    rejects(
        {"architecture": {**card["architecture"], "link_inputs": []}},
        r"link_inputs is \[\], but must be",
    )
    rejects({"architecture": {}}, "lacks the field 'hidden'")
    rejects({"architecture": {**card["architecture"], "hidden": 10**9}}, "hidden is 1000000000")
    file.with_suffix(".json").write_text("[")
    with pytest.raises(InvalidInput, match="not valid JSON"):
        load_weights(file)
    file.with_suffix(".json").write_text(json.dumps(card))
    file.write_bytes(b"\x80\x04pickle")
    with pytest.raises(InvalidInput, match="no safetensors file"):
        load_weights(str(file))
    file.unlink()
    file.mkdir()
    with pytest.raises(InvalidInput, match="is not there"):
        load_weights(file)


def test_weights_that_are_not_finite(tmp_path):
    model = LinkViabilityGNN()
    with torch.no_grad():
        model.decoder.bias[0] = torch.nan
    save_weights(model, tmp_path / "weights.safetensors", {})
    with pytest.raises(InvalidInput, match=r"decoder\.bias holds values"):
        load_weights(tmp_path / "weights.safetensors")
