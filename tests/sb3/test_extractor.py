"""The viability network inside Stable-Baselines3's algorithms, frozen and fine-tuned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO  # noqa: E402
from stable_baselines3 import A2C, DQN, PPO  # noqa: E402

from qkd_gym.gnn import load_pretrained  # noqa: E402
from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy, QKDVecEnv  # noqa: E402

ALGORITHMS = {
    "PPO": (PPO, {"n_steps": 8, "batch_size": 32, "n_epochs": 1}),
    "MaskablePPO": (MaskablePPO, {"n_steps": 8, "batch_size": 32, "n_epochs": 1}),
    "A2C": (A2C, {}),
    "DQN": (DQN, {"buffer_size": 200, "learning_starts": 8, "batch_size": 16, "train_freq": 4}),
    "pointer": (MaskablePPO, {"n_steps": 8, "batch_size": 32, "n_epochs": 1}),
}


def make(name, frozen):
    algorithm, settings = ALGORITHMS[name]
    extractor = {"features_extractor_kwargs": {"frozen": frozen}}
    if name == "pointer":
        policy, kwargs = LinkPointerPolicy, extractor
    else:
        policy = "MultiInputPolicy"
        kwargs = {"features_extractor_class": GraphFeaturesExtractor, **extractor}
        if name != "DQN":
            kwargs["ortho_init"] = False
    env = QKDVecEnv(num_envs=4, bank_size=2, episode_s=1200.0)
    return algorithm(policy, env, policy_kwargs=kwargs, seed=0, **settings)


def backbones(model):
    """Every viability network in a policy; DQN has one in its target network too."""
    return [
        module.viability
        for module in model.policy.modules()
        if isinstance(module, GraphFeaturesExtractor)
    ]


def shipped(backbone):
    weights = load_pretrained().state_dict()
    own = backbone.state_dict()
    return own.keys() == weights.keys() and all(
        torch.equal(own[key].cpu(), weights[key].cpu()) for key in weights
    )


@pytest.mark.parametrize("name", ALGORITHMS)
def test_frozen_weights_stay_and_stay_in_evaluation_mode(name):
    model = make(name, frozen=True)
    assert len(backbones(model)) == (2 if name == "DQN" else 1)
    assert all(shipped(backbone) for backbone in backbones(model))
    model.policy.set_training_mode(True)
    assert model.policy.training
    for backbone in backbones(model):
        assert not any(module.training for module in backbone.modules())
        assert not any(weight.requires_grad for weight in backbone.parameters())
    model.learn(96)
    assert all(shipped(backbone) for backbone in backbones(model))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_fine_tuned_weights_start_as_shipped_and_learn(name):
    model = make(name, frozen=False)
    assert all(shipped(backbone) for backbone in backbones(model))
    model.policy.set_training_mode(True)
    # DQN's target network, which comes second, only ever evaluates.
    assert backbones(model)[0].training
    before = {key: value.clone() for key, value in backbones(model)[0].state_dict().items()}
    model.learn(96)
    after = backbones(model)[0].state_dict()
    # The decoder serves predictions alone, so no policy's loss reaches it.
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved
    assert not {key for key in moved if key.startswith("decoder")}


@pytest.mark.parametrize("name", ["PPO", "MaskablePPO", "A2C"])
def test_orthogonal_initialisation_would_spoil_the_weights(name):
    """The trap that `ortho_init=False` avoids, so that the tests above can fail."""
    algorithm, settings = ALGORITHMS[name]
    env = QKDVecEnv(num_envs=4, bank_size=2, episode_s=1200.0)
    kwargs = {"features_extractor_class": GraphFeaturesExtractor, "ortho_init": True}
    model = algorithm("MultiInputPolicy", env, policy_kwargs=kwargs, **settings)
    assert not any(shipped(backbone) for backbone in backbones(model))


def test_an_untrained_start_is_possible():
    env = QKDVecEnv(num_envs=2, bank_size=2, episode_s=1200.0)
    extractor = GraphFeaturesExtractor(env.observation_space, pretrained=False, frozen=False)
    assert not shipped(extractor.viability)


def test_a_saved_agent_keeps_the_pretrained_weights(tmp_path):
    model = make("pointer", frozen=True)
    env = model.get_env()
    model.save(tmp_path / "agent")
    loaded = MaskablePPO.load(tmp_path / "agent", env=env)
    assert shipped(backbones(loaded)[0])
    observation = env.reset()
    first, _ = model.predict(observation, deterministic=True)
    second, _ = loaded.predict(observation, deterministic=True)
    np.testing.assert_array_equal(first, second)


def test_gradients_reach_every_trained_weight():
    env = QKDVecEnv(num_envs=4, bank_size=2, episode_s=1200.0)
    extractor = GraphFeaturesExtractor(env.observation_space, frozen=False)
    observation = {name: torch.tensor(array).float() for name, array in env.reset().items()}
    extractor(observation).sum().backward()
    decoder = set(extractor.viability.decoder.parameters())
    for name, weight in extractor.named_parameters():
        # The decoder makes probabilities of embeddings and is not asked.
        if weight not in decoder and "lin_key.bias" not in name:
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name
