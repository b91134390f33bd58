"""The fused stage is the plain one, in values and in gradients, whatever the graphs look like."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from qkd_gym.sb3 import GraphFeaturesExtractor, QKDVecEnv  # noqa: E402
from qkd_gym.sb3.surroundings import Inputs, Weights, fused, plain, surroundings  # noqa: E402

LINKS, SITES, GRAPH = 59, 27, 42


def draw(n_links, n_sites, width, seed=0):
    """Inputs of graphs with these numbers of links, and weights."""
    torch.manual_seed(seed)
    batch, most = len(n_links), max(*n_links, 1)
    first = torch.randint(n_sites, (batch, most))
    # Sites of a link differ; some sites may have no link.
    ends = torch.stack([first, (first + torch.randint(1, n_sites, first.shape)) % n_sites], 2)
    inputs = Inputs(
        torch.randn(batch, most, LINKS),
        torch.randn(batch, n_sites, SITES),
        ends,
        torch.arange(batch),
        torch.randn(batch, GRAPH),
        torch.tensor(n_links),
    )
    shapes = Weights(
        link=(width, LINKS),
        link_bias=(width,),
        site=(width, width + SITES),
        site_bias=(width,),
        join_link=(width, width),
        join_bias=(width,),
        join_site=(width, width),
        join_graph=(width, width + GRAPH),
    )
    weights = Weights(*((0.3 * torch.randn(shape)).requires_grad_() for shape in shapes))
    return inputs, weights


def outcome(stage, inputs, weights):
    """Encodings, their means, and gradients of a loss that hangs on both."""
    encoded, mean = stage(inputs, weights)
    torch.manual_seed(1)
    loss = (encoded * torch.randn_like(encoded)).sum() + (mean * torch.randn_like(mean)).sum()
    return encoded.detach(), mean.detach(), *torch.autograd.grad(loss, weights)


@pytest.mark.parametrize(
    ("n_links", "n_sites", "width"),
    [
        ([45, 38, 52, 41], 20, 32),
        ([1, 2, 3, 4, 5, 6, 7, 8], 9, 32),  # rows of four, and their rests
        ([0, 7, 0], 4, 32),  # graphs without links
        ([30, 29], 12, 16),
        ([30, 29], 12, 64),
        ([530], 250, 32),
    ],
)
def test_fused_is_plain(n_links, n_sites, width):
    inputs, weights = draw(n_links, n_sites, width)
    pairs = zip(
        outcome(fused, inputs, weights), outcome(plain, inputs, weights),
        ("encoded", "mean", *Weights._fields), strict=True,
    )  # fmt: skip
    for found, expected, name in pairs:
        largest = expected.abs().max().clamp(min=1.0)
        assert ((found - expected).abs() / largest).max() < 1e-5, name


@pytest.mark.parametrize("stage", [fused, plain])
def test_rows_of_a_whole_rollout(stage):
    inputs, weights = draw([30, 28, 33], 12, 32)
    rows = torch.tensor([4, 0, 2])
    whole = []
    for own in (inputs.links, inputs.sites):
        whole.append(torch.randn(6, *own.shape[1:]))
        whole[-1][rows] = own
    ends = torch.zeros(6, *inputs.ends.shape[1:], dtype=torch.int64)
    ends[rows] = inputs.ends
    rollout = inputs._replace(links=whole[0], sites=whole[1], ends=ends, rows=rows)
    found = outcome(stage, rollout, weights)
    for first, second in zip(found, outcome(stage, inputs, weights), strict=True):
        assert torch.equal(first, second)


def test_padding_is_not_read_and_gets_zeros():
    inputs, weights = draw([5, 9], 6, 32)
    expected = outcome(fused, inputs, weights)
    spoilt = inputs.links.clone()
    spoilt[0, 5:] = float("nan")
    found = outcome(fused, inputs._replace(links=spoilt), weights)
    for first, second in zip(found, expected, strict=True):
        assert torch.equal(first, second)
    assert not found[0][0, 5:].any()


@pytest.mark.parametrize(
    ("width", "compiled"), [(32, True), (24, False)], ids=["whole vectors", "other widths"]
)
def test_the_compiled_form_is_used_where_it_fits(width, compiled, monkeypatch):
    inputs, weights = draw([8, 9], 6, width)
    calls = []
    monkeypatch.setattr("qkd_gym.sb3.surroundings.fused", lambda *_: calls.append(1) or (0, 0))
    surroundings(inputs, weights)
    assert bool(calls) == compiled


def test_inputs_that_learn_get_gradients():
    inputs, weights = draw([8, 9], 6, 32)
    inputs.links.requires_grad_()
    encoded, _ = surroundings(inputs, weights)
    encoded.sum().backward()
    assert inputs.links.grad.abs().sum() > 0


@pytest.mark.parametrize("env_id", ["LinkActivation", "Routing"])
def test_compiled_preparation_is_the_plain_one(env_id):
    env = QKDVecEnv(f"qkd_gym/{env_id}-v0", num_envs=6, scenario="hidden", bank_size=4)
    extractor = GraphFeaturesExtractor(env.observation_space)
    env.seed(0)
    observation = env.reset()
    for step in range(25):
        observation = env.step(observation["action_mask"].argmax(1) + step % 3)[0]
    tensors = {name: torch.as_tensor(array) for name, array in observation.items()}
    prepared = extractor.prepare(tensors)
    with torch.no_grad():
        expected = extractor._prepare_plainly({**tensors, **prepared})
    for name, wanted in zip(("link_inputs", "site_inputs", "graph_inputs"), expected, strict=True):
        assert (prepared[name] - wanted).abs().max() < 1e-5, name
    assert prepared["n_links"].tolist() == observation["link_mask"].sum(1).tolist()
