"""The compiled viability network is the one of torch-geometric."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

import qkd_gym  # noqa: E402, F401
from qkd_gym.gnn import LinkViabilityGNN, batch_graphs, load_pretrained  # noqa: E402
from qkd_gym.gnn.compiled.viability import Embedder, fits  # noqa: E402


def observed(scenario, steps=20, **settings):
    """Observations with measurements of many ages."""
    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=5, scenario=scenario, **settings)
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        chances = rng.random(observation["action_mask"].shape) * observation["action_mask"]
        observation = env.step(chances.argmax(1))[0]
    return observation


def both(model, observation, embed=None):
    """Embeddings of real links, compiled, perhaps by what was made for the model before, and
    plain."""
    real = observation["link_mask"] > 0
    n_links = real.sum(1)
    fields = (observation[name] for name in ("nodes", "links", "link_endpoints"))
    found = (embed or Embedder(model))(*fields, n_links)
    assert not found[~real].any()
    with torch.no_grad():
        graphs = batch_graphs({name: torch.as_tensor(a) for name, a in observation.items()})
        return found[real], model.embed(graphs).numpy()


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        ("metro", {"bank_size": 5}),
        ("hidden", {"bank_size": 5}),
        ("hybrid", {}),
        ("metro", {"n_sites": 60, "bank_size": 2}),
        ("tokyo", {}),
    ],
)
def test_shipped_network(scenario, settings):
    found, expected = both(load_pretrained().eval(), observed(scenario, **settings))
    assert np.abs(found - expected).max() < 1e-5


def test_before_anything_was_measured():
    found, expected = both(load_pretrained().eval(), observed("metro", steps=0, bank_size=2))
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize(("hidden", "heads", "passes"), [(16, 1, 1), (64, 4, 2), (32, 2, 5)])
def test_other_architectures(hidden, heads, passes):
    torch.manual_seed(0)
    model = LinkViabilityGNN(hidden, heads, passes).eval()
    for weight in model.parameters():  # norms start as no change
        torch.nn.init.normal_(weight, std=0.3)
    assert fits(model)
    found, expected = both(model, observed("hidden", bank_size=2))
    # Random weights are large, and layer norms divide by what little is left of sums.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_heads_must_be_a_vector_wide():
    assert fits(load_pretrained())
    assert not fits(LinkViabilityGNN(hidden=32, heads=4))


def test_weights_are_read_anew_when_they_have_changed():
    model, observation = load_pretrained().eval(), observed("metro", bank_size=2)
    embed = Embedder(model)
    before, _ = both(model, observation, embed)
    with torch.no_grad():
        model.edge_mlp[0].weight.mul_(0.5)
    after, expected = both(model, observation, embed)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, expected, atol=1e-5)
    model.edge_mlp[3].weight.data = model.edge_mlp[3].weight.data * 0.5
    again, expected = both(model, observation, embed)
    assert np.abs(again - after).max() > 1e-3
    np.testing.assert_allclose(again, expected, atol=1e-5)
    model.load_state_dict(load_pretrained().state_dict())
    np.testing.assert_array_equal(both(model, observation, embed)[0], before)
