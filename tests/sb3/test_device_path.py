"""What runs on a GPU, run on a processor: torch's own operations, two parts, packed copies."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from torch.nn.functional import linear  # noqa: E402

from qkd_gym.gnn.compiled import viability  # noqa: E402
from qkd_gym.sb3 import LinkPointerPolicy, QKDVecEnv, policy, surroundings, transfer  # noqa: E402
from qkd_gym.sb3.advice import make_adviser  # noqa: E402
from qkd_gym.sb3.distribution import MaskedCategoricals  # noqa: E402
from qkd_gym.sb3.ppo import GraphPPO  # noqa: E402
from qkd_gym.sb3.split import SplitVecEnv  # noqa: E402

SMALL = {"n_sites": 8, "bank_size": 3, "episode_s": 600.0}
ENV_IDS = [f"qkd_gym/{name}-v0" for name in ("LinkActivation", "Routing", "Network")]


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Neither compiled networks nor shared memory."""
    monkeypatch.setattr(viability, "fits", lambda model: False)
    monkeypatch.setattr(surroundings, "fused", surroundings.plain)
    monkeypatch.setattr(policy, "link_scores", lambda links, n_links, *layer: linear(links, *layer))

    def to_device(arrays, device):
        packed, places = transfer.pack(arrays)
        return transfer.unpack(packed.to(device), places)

    monkeypatch.setattr(policy, "to_device", to_device)


def train(env_id, parts, mixed_precision=False):
    """Weights after two rollouts and updates in which nothing is drawn but the minibatches."""
    advised = env_id != ENV_IDS[1]
    adviser = make_adviser("demand-deficit") if advised else None
    envs = [QKDVecEnv(env_id, 8 // parts, adviser=adviser, **SMALL) for _ in range(parts)]
    model = GraphPPO(
        LinkPointerPolicy,
        SplitVecEnv(envs) if parts > 1 else envs[0],
        n_steps=16,
        batch_size=64,
        n_epochs=2,
        seed=0,
        device="cpu",
        policy_kwargs={
            "adviser": "demand-deficit" if advised else "",
            "mixed_precision": mixed_precision,
            # Adam's first steps are signs of gradients, which rounding can turn.
            "optimizer_class": torch.optim.SGD,
        },
    )
    model.env.seed(0)
    model.learn(2 * 8 * 16)
    return {name: weight.clone() for name, weight in model.policy.state_dict().items()}


@pytest.fixture
def nothing_drawn(monkeypatch):
    monkeypatch.setattr(MaskedCategoricals, "sample", MaskedCategoricals.mode)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_it_learns_what_the_compiled_path_learns(env_id, nothing_drawn, request):
    expected = train(env_id, parts=1)
    request.getfixturevalue("as_on_a_gpu")
    found = train(env_id, parts=2)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-5)


def test_lower_precision_trains(as_on_a_gpu, nothing_drawn):
    low, high = (train(ENV_IDS[0], 2, mixed) for mixed in (True, False))
    moved = 0
    for name, weight in high.items():
        assert low[name].dtype == torch.float32
        assert low[name].isfinite().all()
        torch.testing.assert_close(low[name], weight, rtol=0.05, atol=0.05)
        moved += not torch.equal(low[name], weight)
    assert moved
