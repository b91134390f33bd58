"""A policy that starts from a scored schedule, in the environment that says what makes way."""

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from stable_baselines3.common.vec_env import VecNormalize

from qkd_gym.errors import InvalidInput
from qkd_gym.features import LINK
from qkd_gym.sb3 import GraphPPO, LinkPointerPolicy, QKDVecEnv
from qkd_gym.sb3.advice import _advice_on_switches, advise, make_adviser
from qkd_gym.sb3.named import named_digest, named_policy
from qkd_gym.sb3.recipe import Recipe
from qkd_gym.sb3.training import Validation
from qkd_gym.scoring import Weights, save_scored
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
    save_scored(path, any_weights(0), {})
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
        made_way += observation["links"][is_link, wanted[is_link], LINK.active].sum()
        observation, _, dones, _ = plain.step(wanted)
        with_advice, *_ = advised.step(wanted)
        ended += dones.sum()
    assert made_way > 5
    assert held > 5
    assert advised.observation_space["advice"].contains(with_advice["advice"][0])


def test_a_link_that_must_make_way_is_advised_by_what_wants_its_place():
    """Links 1 and 2 run; 0 wants the places of both, 3 wants that of link 1 alone."""
    ends = np.array([[[0, 1], [0, 2], [1, 3], [2, 3]]])
    gain = np.array([[0.5, -np.inf, -np.inf, 0.2]])
    first = _advice_on_switches(gain, np.array([[1, 2, 1, -1]]), ends, 0.0)
    np.testing.assert_allclose(first, [[-0.6, 0.5, -0.6, -0.6, 0.0]])
    # Link 1 is off.
    second = _advice_on_switches(gain, np.array([[-1, 2, -1, -1]]), ends, 0.1)
    np.testing.assert_allclose(second, [[-0.6, -0.6, 0.4, 0.1, 0.0]])


def test_links_without_a_free_module_are_not_advised(adviser):
    """By which `require_raw` knows advice that was changed on its way."""
    env = QKDVecEnv(ENV_ID, num_envs=8, **SMALL)
    observation = env.reset()
    for _ in range(10):
        observation, *_ = env.step(named_policy(adviser).predict(observation)[0])
    advice = advise(make_adviser(adviser), observation)[:, :-1]
    full = observation["links"][..., LINK.full_endpoints] > 0.0
    assert full.any()
    np.testing.assert_allclose(advice[full | (observation["link_mask"] == 0)], -0.6)


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
    env = QKDVecEnv(ENV_ID, num_envs=4, adviser=make_adviser(schedule_file), **SMALL)
    model = model_of(VecNormalize(env, norm_obs_keys=[key]), schedule_file)
    with pytest.raises(InvalidInput, match="observations are normalised"):
        model.learn(64)


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


def test_what_a_run_hangs_on_changes_with_the_schedule_s_weights(schedule_file, tmp_path):
    other = tmp_path / "other.json"
    save_scored(other, any_weights(1), {})
    first, second = named_digest(schedule_file), named_digest(str(other))
    assert first != second
    save_scored(other, any_weights(0), {"summary": "the same"})
    assert named_digest(str(other)) == first
    assert named_digest("demand-deficit") == ""


def test_curves_are_shown_beside_the_schedule(schedule_file):
    validation = Validation(ENV_ID, SMALL, 2, 0)
    assert validation.share_of(schedule_file) == validation.share(named_policy(schedule_file))
