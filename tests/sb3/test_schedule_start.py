"""A policy that starts from a scored schedule, in the environment that says what makes way."""

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from qkd_gym.baselines import make_policy
from qkd_gym.errors import InvalidInput
from qkd_gym.sb3 import GraphPPO, LinkPointerPolicy, QKDVecEnv
from qkd_gym.sb3.advice import advise, make_adviser
from qkd_gym.sb3.named import named_policy
from qkd_gym.sb3.recipe import Recipe
from qkd_gym.scoring import Weights, save_schedule
from qkd_gym.scoring.weights import as_vector, from_vector, starting_weights

ENV_ID = "qkd_gym/LinkScheduling-v0"
SMALL = {"scenario": "metro-10", "bank_size": 3, "episode_s": 900.0}


def any_weights(seed: int) -> Weights:
    """Weights that make a schedule switch often, and not as any rule does."""
    start = starting_weights(2)
    vector = as_vector(start)
    noise = np.random.default_rng(seed).normal(0.0, 0.05, vector.shape)
    return from_vector(vector + noise, start)


@pytest.fixture(scope="module")
def schedule_file(tmp_path_factory):
    """The file of a schedule."""
    path = tmp_path_factory.mktemp("schedule") / "drawn.json"
    save_schedule(path, any_weights(0), {})
    return str(path)


@pytest.fixture(params=["drawn", "demand-deficit", "max-weight"])
def adviser(request, schedule_file):
    """Names of what can advise."""
    return schedule_file if request.param == "drawn" else request.param


def model_of(env, adviser):
    policy = {"adviser": adviser}
    return GraphPPO(LinkPointerPolicy, env, n_steps=8, batch_size=32, policy_kwargs=policy)


def test_an_untrained_policy_acts_as_its_adviser(adviser):
    """Over whole episodes, with the advice of the environment and without."""
    plain = QKDVecEnv(ENV_ID, num_envs=8, **SMALL)
    advised = QKDVecEnv(ENV_ID, num_envs=8, adviser=make_adviser(adviser), **SMALL)
    policy, teacher = model_of(advised, adviser).policy, named_policy(adviser)
    for env in (plain, advised):
        env.seed(0)
    observation, with_advice = plain.reset(), advised.reset()
    ended, made_way, held = 0, 0, 0
    while ended < 8:
        wanted, _ = teacher.predict(observation)
        for seen in (observation, with_advice):
            actions, _ = policy.predict(seen, deterministic=True)
            np.testing.assert_array_equal(actions, wanted)
        is_link = wanted < observation["links"].shape[1]
        held += (~is_link).sum()
        made_way += observation["links"][is_link, wanted[is_link], 0].sum()
        observation, _, dones, _ = plain.step(wanted)
        with_advice, *_ = advised.step(wanted)
        ended += dones.sum()
    assert made_way > 5
    assert held > 5
    assert advised.observation_space["advice"].contains(with_advice["advice"][0])


def test_a_link_that_must_make_way_is_advised_by_what_wants_its_place(adviser):
    env = QKDVecEnv(ENV_ID, num_envs=8, **SMALL)
    env.seed(1)
    observation = env.reset()
    rule = make_adviser(adviser)
    for _ in range(10):
        observation, *_ = env.step(named_policy(adviser).predict(observation)[0])
    advice = advise(rule, observation)[:, :-1]
    active = observation["links"][..., 0] > 0.5
    full = observation["links"][..., 14] > 0.0
    considered = advice != np.float32(-0.6)
    assert not considered[full].any()
    assert not considered[observation["link_mask"] == 0].any()
    # At most one link makes way at each site.
    for b, e in np.argwhere(active & considered):
        ends = observation["link_endpoints"][b, e]
        assert any((considered[b] & active[b])[_links_at(observation, b, v)].sum() for v in ends)
    assert (active & considered).any()


def _links_at(observation, member, site):
    return (observation["link_endpoints"][member] == site).any(axis=1)


def test_a_schedule_is_told_by_name_or_path(schedule_file, tmp_path):
    assert make_adviser(schedule_file).name == schedule_file
    recipe = Recipe(adviser=schedule_file, control_policy=schedule_file)
    assert recipe.starts_from == schedule_file
    for name in ("adviser", "control_policy"):
        with pytest.raises(InvalidInput, match=r"absent\.json"):
            Recipe(**{name: str(tmp_path / "absent.json")})
        with pytest.raises(InvalidInput, match="agent is 'nobody'"):
            Recipe(**{name: "agent:nobody"})


def test_a_schedule_advises_in_no_other_environment(schedule_file):
    env = QKDVecEnv(num_envs=2, adviser=make_adviser(schedule_file), bank_size=1)
    with pytest.raises(InvalidInput, match="must be one that plays LinkActivation"):
        env.reset()


@pytest.mark.parametrize("key", ["advice", "links", "nodes"])
def test_normalised_features_are_refused(schedule_file, key):
    from stable_baselines3.common.vec_env import VecNormalize

    env = QKDVecEnv(ENV_ID, num_envs=4, adviser=make_adviser(schedule_file), **SMALL)
    model = model_of(VecNormalize(env, norm_obs_keys=[key]), schedule_file)
    with pytest.raises(InvalidInput, match="observations are normalised"):
        model.learn(64)


class TestControl:
    """The control policy's rewards are those of the same interval."""

    def test_whoever_plays_as_the_control_policy_earns_nothing(self, adviser):
        policy = named_policy(adviser)
        env = QKDVecEnv(ENV_ID, num_envs=6, control_policy=policy, **SMALL)
        observation, ended = env.reset(), 0
        while ended < 12:
            # Whatever it is about to switch, the control is where the interval began.
            observation, rewards, dones, _ = env.step(policy.predict(observation)[0])
            np.testing.assert_array_equal(rewards, 0.0)
            ended += dones.sum()

    def test_rewards_of_the_same_interval_are_subtracted(self):
        """Whoever holds, against a control that may take several steps to an interval, is given
        what the control alone earned in that interval, over episodes that end together."""
        policy = make_policy("demand-deficit")
        relative, plain, alone = (
            QKDVecEnv(ENV_ID, num_envs=4, **SMALL, **more)
            for more in ({"control_policy": policy, "reward_scale": 0.5}, {}, {})
        )
        for env in (relative, plain, alone):
            env.seed(3)
            seen = env.reset()
        hold = np.full(4, plain.action_space.n - 1)
        own, given = [], []
        for _ in range(40):
            own.append(plain.step(hold)[1])
            observation, rewards, dones, infos = relative.step(hold)
            given.append(rewards)
            for b in np.flatnonzero(dones):
                assert infos[b]["terminal_observation"]["control_difference"].any()
                assert not observation["control_difference"][b].any()
        others = [[] for _ in range(4)]
        while min(map(len, others)) < 40:
            episodes = alone.env.core.simulator.state.episodes["interval"]
            before = episodes.copy()
            seen, rewards, dones, _ = alone.step(policy.predict(seen)[0])
            for b in np.flatnonzero((episodes != before) | dones):
                others[b].append(rewards[b])
        expected = np.array([one[:40] for one in others]).T
        np.testing.assert_allclose(given, 0.5 * (np.array(own) - expected), atol=1e-6)

    def test_a_step_without_time_has_no_reward(self):
        policy = make_policy("demand-deficit")
        env = QKDVecEnv(ENV_ID, num_envs=4, control_policy=policy, **SMALL)
        env.seed(0)
        observation = env.reset()
        running = observation["links"][..., 0].argmax(axis=1)
        control = env.control.means.copy()
        observation, rewards, _, _ = env.step(running)
        np.testing.assert_array_equal(rewards, 0.0)
        np.testing.assert_array_equal(env.control.means, control)
        assert (observation["control_difference"][:, 0] < 0.0).all()


def test_training_from_a_schedule_learns(schedule_file):
    recipe = Recipe(
        adviser=schedule_file,
        control_policy=schedule_file,
        num_envs=4,
        ppo={"n_steps": 8, "batch_size": 32, "n_epochs": 1},
    )
    env = recipe.environment(ENV_ID, SMALL)
    model = recipe.model(env, 0, None)
    before = [weight.clone() for weight in model.policy.parameters()]
    model.learn(64)
    assert any((b != a).any() for b, a in zip(before, model.policy.parameters(), strict=True))
