"""The policy: masks hold, sizes transfer, distributions are the textbook's."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO  # noqa: E402
from sb3_contrib.common.maskable.distributions import make_masked_proba_distribution  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize  # noqa: E402

from qkd_gym.baselines import make_policy  # noqa: E402
from qkd_gym.errors import InvalidInput  # noqa: E402
from qkd_gym.sb3 import LinkPointerPolicy, QKDVecEnv  # noqa: E402
from qkd_gym.sb3.advice import make_adviser  # noqa: E402
from qkd_gym.sb3.distribution import MaskedCategoricals  # noqa: E402

SMALL = {"bank_size": 2, "episode_s": 1200.0}
IDS = ["qkd_gym/LinkActivation-v0", "qkd_gym/Routing-v0", "qkd_gym/Network-v0"]


def pointer(env, **policy_kwargs):
    return MaskablePPO(
        LinkPointerPolicy, env, n_steps=8, batch_size=32, n_epochs=1, policy_kwargs=policy_kwargs
    )


def randomise(policy):
    """Gives the last layers, which start at zero, something to say."""
    torch.manual_seed(0)
    for layer in policy.mlp_extractor.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=0.3)


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


def play_normalised(env, adviser, keys):
    env = VecNormalize(env, norm_obs_keys=keys)
    model = pointer(env, adviser=adviser)
    with pytest.raises(InvalidInput, match="observations are normalised, .* norm_obs=False"):
        model.learn(64)
    with pytest.raises(InvalidInput, match="observations are normalised"):
        model.policy.predict(env.reset(), deterministic=True)


@pytest.mark.parametrize("keys", [["links"], ["nodes"], ["links", "nodes", "context"]])
@pytest.mark.parametrize("adviser", ["", "demand-deficit"])
def test_normalised_features_are_refused(keys, adviser):
    """An adviser and the frozen network would read them as if they were raw, and play badly."""
    play_normalised(QKDVecEnv(num_envs=4, **SMALL), adviser, keys)
    members = [lambda: gym.make(IDS[0], **SMALL)] * 2
    play_normalised(DummyVecEnv(members), adviser, keys)


def test_normalised_advice_is_refused():
    env = QKDVecEnv(num_envs=4, adviser=make_adviser("demand-deficit"), **SMALL)
    play_normalised(env, "demand-deficit", ["advice"])


@pytest.mark.parametrize("env_id", ["qkd_gym/LinkActivation-v0", "qkd_gym/Network-v0"])
def test_normalised_rewards_are_fine(env_id):
    env = VecNormalize(QKDVecEnv(env_id, num_envs=4, **SMALL), norm_obs=False)
    pointer(env, adviser="demand-deficit").learn(64)


@pytest.mark.parametrize("env_id", IDS)
def test_weights_serve_networks_of_other_sizes(env_id):
    small = pointer(QKDVecEnv(env_id, num_envs=2, n_sites=10, bank_size=1))
    large = pointer(QKDVecEnv(env_id, num_envs=2, n_sites=30, bank_size=1, candidate_paths=4))
    large.policy.load_state_dict(small.policy.state_dict())
    observation = large.env.reset()
    actions, _ = large.policy.predict(observation)
    assert len(actions) == 2


@pytest.mark.parametrize("env_id", IDS)
def test_more_paths_than_links_are_told_apart(env_id):
    """Where the mask is longer than the list of links although no link is decided."""
    env = QKDVecEnv(env_id, num_envs=2, n_sites=6, bank_size=1, candidate_paths=40)
    observation = env.reset()
    paths, links = 40, observation["links"].shape[1]
    assert paths > links
    actions, _ = pointer(env).policy.predict(observation)
    masks = observation["action_mask"].astype(bool)
    if "paths" in observation:
        assert masks[[0, 1], np.asarray(actions).reshape(2, -1)[:, 0]].all()


def test_padding_and_order_of_links_do_not_change_the_decision():
    env = QKDVecEnv(num_envs=4, **SMALL)
    policy = pointer(env).policy
    observation, _ = policy.obs_to_tensor(env.reset())
    links = observation["links"].shape[1]
    torch.manual_seed(0)
    for last in (policy.mlp_extractor.link_score, policy.mlp_extractor.hold_score[-1]):
        torch.nn.init.normal_(last.weight)
    real = observation["link_mask"].sum(1)
    # Real links in another order for each network; padding stays last, and there is more of it.
    order = torch.stack(
        [torch.cat([torch.randperm(n), torch.arange(n, links)]) for n in real.tolist()]
    )
    members = torch.arange(4)[:, None]
    shuffled = dict(observation)
    for name in ("links", "link_endpoints", "link_mask"):
        moved = observation[name][members, order]
        shuffled[name] = torch.cat([moved, torch.zeros_like(moved[:, :5])], dim=1)
    mask = observation["action_mask"]
    none = torch.zeros_like(mask[:, :5])
    shuffled["action_mask"] = torch.cat([mask[members, order], none, mask[:, -1:]], dim=1)

    def logits(inputs):
        return policy.mlp_extractor.forward_actor(policy.extract_features(inputs)).detach()

    expected = logits(observation)
    found = logits(shuffled)
    torch.testing.assert_close(found[:, -1], expected[:, -1], rtol=1e-4, atol=1e-4)
    moved = expected[members, order]
    torch.testing.assert_close(found[:, :links], moved, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("env_id", "adviser"), [*((env_id, "") for env_id in IDS), (IDS[0], "demand-deficit")]
)
def test_prepared_observations_stand_for_themselves(env_id, adviser):
    env = QKDVecEnv(env_id, num_envs=4, **SMALL)
    policy = pointer(env, adviser=adviser).policy
    randomise(policy)
    observation, _ = policy.obs_to_tensor(env.reset())
    prepared = policy.prepare(observation)
    assert not {"nodes", "links", "link_mask", "context"} & prepared.keys()
    assert ("advice" in prepared) == bool(adviser)
    actions, values, chances = policy(prepared)
    expected = policy.evaluate_actions(observation, actions)
    for seen in (prepared, observation):
        torch.testing.assert_close(policy.predict_values(seen), values)
        for found, wanted in zip(policy.evaluate_actions(seen, actions), expected, strict=True):
            torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(chances, expected[1])


def test_narrower_masks_than_the_observation_s_hold():
    env = QKDVecEnv(num_envs=8, **SMALL)
    policy = pointer(env).policy
    observation = env.reset()
    only_hold = np.zeros((8, env.action_space.n), dtype=bool)
    only_hold[:, -1] = True
    actions, _ = policy.predict(observation, deterministic=False, action_masks=only_hold)
    assert (actions == env.action_space.n - 1).all()


@pytest.mark.parametrize("choices", [[5], [3, 4]])
def test_the_distribution_agrees_with_torch_s(choices):
    torch.manual_seed(0)
    logits, masks = torch.randn(64, sum(choices)), torch.rand(64, sum(choices)) < 0.6
    masks[:, 0] = masks[:, -1] = True
    ours = MaskedCategoricals(choices, single=len(choices) == 1).proba_distribution(logits)
    ours.apply_masking(masks)
    theirs = make_masked_proba_distribution(
        spaces.Discrete(choices[0]) if len(choices) == 1 else spaces.MultiDiscrete(choices)
    ).proba_distribution(logits)
    theirs.apply_masking(masks)
    drawn = ours.sample()
    assert drawn.shape == theirs.sample().shape
    torch.testing.assert_close(ours.log_prob(drawn), theirs.log_prob(drawn))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), theirs.mode())
    columns = drawn.view(64, -1)
    start = 0
    for number, count in enumerate(choices):
        assert masks[torch.arange(64), columns[:, number] + start].all()
        start += count


def test_lower_precision_changes_probabilities_little_and_trains():
    env = QKDVecEnv(num_envs=8, **SMALL)
    model = pointer(env, mixed_precision=True)
    model.learn(64)
    exact = pointer(env).policy
    exact.load_state_dict(model.policy.state_dict())
    observation, _ = model.policy.obs_to_tensor(env.reset())
    actions = torch.full((8,), env.action_space.n - 1, device=exact.device)
    with torch.no_grad():
        low, high = (
            policy.evaluate_actions(observation, actions) for policy in (model.policy, exact)
        )
    for first, second in zip(low, high, strict=True):
        assert first.dtype == torch.float32
        assert not torch.equal(first, second)
        torch.testing.assert_close(first, second, rtol=0.05, atol=0.05)
    assert all(weight.dtype == torch.float32 for weight in model.policy.parameters())


@pytest.mark.parametrize("env_id", [IDS[0], IDS[2]])
@pytest.mark.parametrize("adviser", ["demand-deficit", "max-weight"])
def test_an_untrained_policy_acts_as_its_adviser(env_id, adviser):
    plain = QKDVecEnv(env_id, num_envs=16, **SMALL)
    advised = QKDVecEnv(env_id, num_envs=16, adviser=make_adviser(adviser), **SMALL)
    policy = pointer(advised, adviser=adviser).policy
    teacher = make_policy(adviser)
    for env in (plain, advised):
        env.seed(0)
    observation, with_advice = plain.reset(), advised.reset()
    held = 0
    for _ in range(20):
        wanted, _ = teacher.predict(observation)
        for seen in (observation, with_advice):
            actions, _ = policy.predict(seen, deterministic=True)
            links = np.asarray(actions).reshape(16, -1)[:, -1]
            np.testing.assert_array_equal(links, np.asarray(wanted).reshape(16, -1)[:, -1])
        held += (links == observation["links"].shape[1]).sum()
        for env in (plain, advised):
            env.step_async(wanted)
        observation, with_advice = plain.step_wait()[0], advised.step_wait()[0]
    assert 0 < held < 320
    assert advised.observation_space["advice"].contains(with_advice["advice"][0])


def test_an_adviser_must_score_links():
    env = QKDVecEnv(num_envs=2, **SMALL)
    with pytest.raises(InvalidInput, match="adviser is 'static-plan'"):
        pointer(env, adviser="static-plan")
