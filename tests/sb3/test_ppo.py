"""GraphPPO does what sb3-contrib's MaskablePPO does."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize  # noqa: E402

from qkd_gym.envs.metrics import METRICS  # noqa: E402
from qkd_gym.sb3 import LinkPointerPolicy, QKDVecEnv  # noqa: E402
from qkd_gym.sb3.advice import make_adviser  # noqa: E402
from qkd_gym.sb3.ppo import GraphPPO, joined_gradients  # noqa: E402
from qkd_gym.sb3.split import SplitVecEnv  # noqa: E402

# Episodes of 10 steps end within a rollout of 16.
SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 300.0}
STEPS, MEMBERS = 16, 6
ENV_IDS = ["qkd_gym/LinkActivation-v0", "qkd_gym/Network-v0"]
SETTINGS = {
    "n_steps": STEPS,
    "batch_size": 40,  # the last minibatch is smaller
    "n_epochs": 2,
    "gamma": 0.97,
    "gae_lambda": 0.9,
    "ent_coef": 0.01,
    "seed": 3,
    "device": "cpu",
}


def environment(env_id=ENV_IDS[0], members=MEMBERS):
    return QKDVecEnv(env_id, members, adviser=make_adviser("demand-deficit"), **SMALL)


def model(kind, env, frozen=True, **changes):
    extractor = {"features_extractor_kwargs": {"frozen": frozen}}
    policy = {"adviser": "demand-deficit", **extractor}
    return kind(LinkPointerPolicy, env, **{**SETTINGS, **changes}, policy_kwargs=policy)


pytestmark = pytest.mark.usefixtures("one_thread")


class Logged(BaseCallback):
    """What was logged last under every name."""

    def __init__(self):
        super().__init__()
        self.values = {}

    def _on_training_start(self):
        record = self.logger.record

        def note(name, value, exclude=None):
            self.values[name] = value
            record(name, value, exclude)

        self.logger.record = note

    def _on_step(self):
        return True


@pytest.fixture
def same_order(monkeypatch):
    """Both kinds visit the same steps in the same order, though they count them differently."""
    orders = None

    def restart():
        nonlocal orders
        rng = np.random.default_rng(0)
        orders = (rng.permutation(STEPS * MEMBERS) for _ in range(100))

    def permutation(count):
        assert count == STEPS * MEMBERS
        return next(orders)

    def randperm(count, device):
        order = permutation(count)
        return torch.as_tensor(order % STEPS * MEMBERS + order // STEPS)

    monkeypatch.setattr(np.random, "permutation", permutation)
    monkeypatch.setattr(torch, "randperm", randperm)
    return restart


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"clip_range_vf": 0.05, "normalize_advantage": False, "max_grad_norm": 0.01},
        {"target_kl": 1e-7, "n_epochs": 5, "learning_rate": 1e-2},
        {"frozen": False},
    ],
)
def test_updates_are_those_of_maskable_ppo(same_order, env_id, changes):
    weights, logs, updates = [], [], []
    for kind in (MaskablePPO, GraphPPO):
        same_order()
        env = environment(env_id)
        made = model(kind, env, **changes)
        env.seed(5)
        logged = Logged()
        made.learn(2 * STEPS * MEMBERS, callback=logged)
        weights.append({name: w.clone() for name, w in made.policy.named_parameters()})
        logs.append(logged.values)
        updates.append(made._n_updates)
    assert updates[0] == updates[1]
    if "target_kl" in changes:
        assert updates[0] < 2 * changes["n_epochs"]
    start = model(GraphPPO, environment(env_id), **changes).policy.state_dict()
    changed = 0
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=1e-6)
        changed += not torch.equal(weight, start[name])
    assert changed > 10
    names = {name for name in logs[0] if name.startswith(("train/", "rollout/"))}
    assert "rollout/ep_rew_mean" in names
    further = {f"rollout/ep_{name}_mean" for name in METRICS}
    logged_too = {name for name in logs[1] if name.startswith(("train/", "rollout/"))}
    assert "rollout/ep_delivered_share_mean" in logged_too
    assert names == logged_too - further
    for name in names:
        assert logs[1][name] == pytest.approx(logs[0][name], rel=1e-3, abs=1e-5), name


def test_parts_of_the_environments_change_nothing(monkeypatch):
    """Sampling apart: the likeliest action is always taken."""
    monkeypatch.setattr(
        "qkd_gym.sb3.distribution.MaskedCategoricals.sample", lambda self: self.mode()
    )
    results = []
    for env in (environment(), SplitVecEnv([environment(members=2), environment(members=4)])):
        made = model(GraphPPO, env)
        env.seed(5)
        made.learn(2 * STEPS * MEMBERS)
        results.append((made, env))
    (whole, one), (parts, several) = results
    assert torch.equal(whole.rollout_buffer.actions, parts.rollout_buffer.actions)
    for name in ("values", "log_probs", "advantages", "returns"):
        first, second = (getattr(each.rollout_buffer, name) for each in (whole, parts))
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    assert one.pop_totals() == pytest.approx(several.pop_totals())
    assert whole.num_timesteps == parts.num_timesteps


def test_joined_gradients_are_those_of_the_weights():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    module[0].bias.requires_grad_(False)
    vector = joined_gradients(module)
    for _ in range(2):
        module(torch.ones(4, 3)).sum().backward()
    learning = [weight.grad for weight in module.parameters() if weight.requires_grad]
    assert torch.equal(vector, torch.cat([each.flatten() for each in learning]))
    assert vector.abs().sum() > 0
    vector.mul_(0.5)
    assert torch.equal(vector, torch.cat([each.flatten() for each in learning]))


def test_wrapped_environments_stay_wrapped():
    """A wrapper around parts is stepped itself, not the parts behind its back."""
    env = VecNormalize(
        VecMonitor(SplitVecEnv([environment(members=3), environment(members=3)])), norm_obs=False
    )
    made = model(GraphPPO, env)
    made.learn(STEPS * MEMBERS)
    assert env.ret_rms.count > STEPS
    assert made.ep_info_buffer


def test_a_saved_model_goes_on(tmp_path):
    env = environment()
    made = model(GraphPPO, env)
    made.learn(STEPS * MEMBERS)
    made.save(tmp_path / "model")
    loaded = GraphPPO.load(tmp_path / "model", env=env)
    for name, weight in made.policy.state_dict().items():
        assert torch.equal(loaded.policy.state_dict()[name], weight), name
    assert loaded.group.size == 1
    loaded.learn(STEPS * MEMBERS, reset_num_timesteps=False)
    assert loaded.num_timesteps == 2 * STEPS * MEMBERS


def test_a_callback_can_end_the_training():
    class Enough(BaseCallback):
        def _on_step(self):
            return self.n_calls < 5

    made = model(GraphPPO, environment())
    made.learn(10 * STEPS * MEMBERS, callback=Enough())
    assert made.num_timesteps == 5 * MEMBERS
