"""The extractor: pretrained weights survive every algorithm, frozen or fine-tuned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO  # noqa: E402
from stable_baselines3 import A2C, DQN, PPO  # noqa: E402

from qkd_gym.gnn import LinkViabilityGNN, load_pretrained  # noqa: E402
from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy, QKDVecEnv  # noqa: E402

SMALL = {"bank_size": 2, "episode_s": 1200.0}
ALGORITHMS = ["PPO", "A2C", "DQN", "MaskablePPO", "MaskablePPO with pointers"]


def build(algorithm, env, **extractor_kwargs):
    graph = {
        "features_extractor_class": GraphFeaturesExtractor,
        "features_extractor_kwargs": extractor_kwargs,
    }
    actor_critic = {**graph, "ortho_init": False}
    ppo = {"n_steps": 8, "batch_size": 32, "n_epochs": 1}
    if algorithm == "PPO":
        return PPO("MultiInputPolicy", env, policy_kwargs=actor_critic, **ppo)
    if algorithm == "A2C":
        return A2C("MultiInputPolicy", env, policy_kwargs=actor_critic)
    if algorithm == "DQN":
        return DQN(
            "MultiInputPolicy",
            env,
            policy_kwargs=graph,
            buffer_size=256,
            learning_starts=8,
            batch_size=16,
            train_freq=4,
        )
    if algorithm == "MaskablePPO":
        return MaskablePPO("MultiInputPolicy", env, policy_kwargs=actor_critic, **ppo)
    pointers = {"features_extractor_kwargs": extractor_kwargs}
    return MaskablePPO(LinkPointerPolicy, env, policy_kwargs=pointers, **ppo)


def viability_networks(model):
    return [part for part in model.policy.modules() if isinstance(part, LinkViabilityGNN)]


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_only_fine_tuning_changes_the_pretrained_weights(algorithm, frozen):
    model = build(algorithm, QKDVecEnv(num_envs=4, **SMALL), frozen=frozen)
    shipped = load_pretrained().state_dict()
    networks = viability_networks(model)
    assert networks
    assert all(equal(network.state_dict(), shipped) for network in networks)
    model.policy.set_training_mode(True)
    # DQN's second network, the target, is always in evaluation mode.
    assert networks[0].training is not frozen
    assert model.policy.training
    model.learn(64)
    assert equal(networks[0].state_dict(), shipped) is frozen


def test_an_untrained_start_is_possible():
    env = QKDVecEnv(num_envs=2, **SMALL)
    extractor = GraphFeaturesExtractor(env.observation_space, pretrained=False, frozen=False)
    assert not equal(extractor.viability.state_dict(), load_pretrained().state_dict())


def test_a_saved_agent_keeps_the_pretrained_weights(tmp_path):
    env = QKDVecEnv(num_envs=2, **SMALL)
    model = build("MaskablePPO with pointers", env)
    model.save(tmp_path / "agent")
    loaded = MaskablePPO.load(tmp_path / "agent", env=env)
    assert equal(viability_networks(loaded)[0].state_dict(), load_pretrained().state_dict())
    observation = env.reset()
    first, _ = model.predict(observation, deterministic=True)
    second, _ = loaded.predict(observation, deterministic=True)
    np.testing.assert_array_equal(first, second)


def test_gradients_reach_every_trained_weight():
    env = QKDVecEnv(num_envs=4, **SMALL)
    extractor = GraphFeaturesExtractor(env.observation_space, frozen=False)
    observation = {name: torch.tensor(array).float() for name, array in env.reset().items()}
    extractor(observation).sum().backward()
    decoder = set(extractor.viability.decoder.parameters())
    for name, weight in extractor.named_parameters():
        # The decoder makes probabilities of embeddings and is not asked.
        if weight not in decoder and "lin_key.bias" not in name:
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name
