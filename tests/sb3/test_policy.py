"""The policy: pretrained weights survive, masks hold, sizes transfer."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO  # noqa: E402
from stable_baselines3 import A2C, PPO  # noqa: E402

from qkd_gym.gnn import load_pretrained  # noqa: E402
from qkd_gym.sb3 import GraphFeaturesExtractor, LinkPointerPolicy, QKDVecEnv  # noqa: E402

SMALL = {"bank_size": 2, "episode_s": 1200.0}
IDS = ["qkd_gym/LinkActivation-v0", "qkd_gym/Routing-v0", "qkd_gym/Network-v0"]


def pointer(env, **policy_kwargs):
    return MaskablePPO(
        LinkPointerPolicy, env, n_steps=8, batch_size=32, n_epochs=1, policy_kwargs=policy_kwargs
    )


def same_weights(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


@pytest.mark.parametrize("frozen", [True, False])
def test_sb3_leaves_the_pretrained_weights_alone(frozen):
    env = QKDVecEnv(num_envs=4, **SMALL)
    kwargs = {"features_extractor_kwargs": {"frozen": frozen}}
    multi_input = {
        "features_extractor_class": GraphFeaturesExtractor,
        "ortho_init": False,
        **kwargs,
    }
    models = [
        pointer(env, **kwargs),
        PPO("MultiInputPolicy", env, policy_kwargs=multi_input, n_steps=8),
        A2C("MultiInputPolicy", env, policy_kwargs=multi_input),
    ]
    shipped = load_pretrained().state_dict()
    for model in models:
        viability = model.policy.features_extractor.viability
        assert same_weights(viability.state_dict(), shipped)
        model.policy.set_training_mode(True)
        assert viability.training is not frozen
        model.learn(64)
        assert same_weights(viability.state_dict(), shipped) is frozen


@pytest.mark.parametrize("env_id", IDS)
def test_plain_predict_is_always_legal(env_id):
    env = QKDVecEnv(env_id, num_envs=8, **SMALL)
    model = pointer(env)
    model.learn(64)
    observation = env.reset()
    for _ in range(30):
        for deterministic in (True, False):
            actions, _ = model.policy.predict(observation, deterministic=deterministic)
            masks = observation["action_mask"].astype(bool)
            chosen = np.asarray(actions).reshape(8, -1)
            start = 0
            for part, size in enumerate(np.atleast_1d(getattr(env.action_space, "nvec", 0))):
                column = chosen[:, part] + start
                assert masks[np.arange(8), column].all()
                start += int(size)
        env.step_async(actions)
        observation = env.step_wait()[0]


@pytest.mark.parametrize("env_id", IDS)
def test_weights_serve_networks_of_other_sizes(env_id):
    small = pointer(QKDVecEnv(env_id, num_envs=2, n_sites=10, bank_size=1))
    large = pointer(QKDVecEnv(env_id, num_envs=2, n_sites=30, bank_size=1, candidate_paths=4))
    large.policy.load_state_dict(small.policy.state_dict())
    observation = large.env.reset()
    actions, _ = large.policy.predict(observation)
    assert len(actions) == 2


def test_padding_and_order_of_links_do_not_change_the_decision():
    env = QKDVecEnv(num_envs=4, **SMALL)
    policy = pointer(env).policy
    observation = {name: torch.tensor(array).float() for name, array in env.reset().items()}
    torch.manual_seed(0)
    for last in (policy.mlp_extractor.link_score[-1], policy.mlp_extractor.hold_score[-1]):
        torch.nn.init.normal_(last.weight)
    order = torch.randperm(observation["links"].shape[1])
    shuffled = dict(observation)
    for name in ("links", "link_endpoints", "link_mask"):
        shuffled[name] = observation[name][:, order]
    mask = observation["action_mask"]
    shuffled["action_mask"] = torch.cat([mask[:, :-1][:, order], mask[:, -1:]], dim=1)

    def logits(inputs):
        return policy.mlp_extractor.forward_actor(policy.extract_features(inputs)).detach()

    expected = logits(observation)
    reordered = torch.cat([expected[:, :-1][:, order], expected[:, -1:]], dim=1)
    torch.testing.assert_close(logits(shuffled), reordered, rtol=1e-4, atol=1e-4)


def test_cached_embeddings_are_those_of_the_network():
    plain = QKDVecEnv(num_envs=4, **SMALL)
    cached = QKDVecEnv(num_envs=4, embedder=load_pretrained().eval(), **SMALL)
    plain.seed(3)
    cached.seed(3)
    policy = pointer(cached).policy
    first, _ = policy.predict(plain.reset(), deterministic=True)
    observation = cached.reset()
    assert observation["link_embedding"].any()
    second, _ = policy.predict(observation, deterministic=True)
    np.testing.assert_array_equal(first, second)
    assert isinstance(cached.observation_space, gym.spaces.Dict)
    assert cached.observation_space["link_embedding"].contains(observation["link_embedding"][0])
