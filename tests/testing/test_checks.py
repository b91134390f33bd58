"""The shipped checks pass what the package makes, and name what others break."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy
from qkd_gym.envs.tasks import LINK_ACTIVATION, TASKS
from qkd_gym.envs.wrappers import GraphObservation
from qkd_gym.errors import InvalidInput
from qkd_gym.testing import check_env, check_policy

SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 1200.0}


def make(**changes):
    return gym.make(LINK_ACTIVATION.env_id, **{**SMALL, **changes})


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_environments_keep_every_promise(task):
    check_env(task.env_id, steps=60, **SMALL)


def test_wrappers_that_keep_them_pass():
    check_env(GraphObservation(make()), steps=30)
    check_env(gym.wrappers.TimeLimit(make(), 10), steps=30)


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("demand-deficit", "LinkActivation"),
        ("demand-deficit", "LinkScheduling"),
        ("periodic-plan", "LinkActivation"),
        ("exponential-price", "Routing"),
        ("static-plan", "Network"),
    ],
)
def test_baselines_keep_every_promise(name, environment):
    check_policy(make_policy(name), TASKS[environment].env_id, steps=25, **SMALL)


class Steps(gym.Wrapper):
    """Changes what a step or a reset returns."""

    def __init__(self, env, changes):
        super().__init__(env)
        self.changes, self.count = changes, 0

    def reset(self, **options):
        observation, info = self.env.reset(**options)
        return self.changes(self, observation, 0.0, info)[::2]

    def step(self, action):
        self.count += 1
        observation, reward, ended, over, info = self.env.step(action)
        observation, reward, info = self.changes(self, observation, reward, info)
        return observation, reward, ended, over, info


def more_reward(env, observation, reward, info):
    return observation, reward + 1.0, info


def numpy_reward(env, observation, reward, info):
    return observation, np.float32(reward), info


def lost_key(env, observation, reward, info):
    return observation, reward, {**info, "consumed_bits": info["consumed_bits"] + 1}


def lost_request(env, observation, reward, info):
    return observation, reward, {**info, "offered_bits": info["offered_bits"] + 1}


def far_pools(env, observation, reward, info):
    return {**observation, "links": observation["links"] + 1e6}, reward, info


def one_buffer(env, observation, reward, info):
    if not hasattr(env, "kept"):
        env.kept = {name: array.copy() for name, array in observation.items()}
    for name, array in observation.items():
        env.kept[name][...] = array
    return env.kept, reward, info


def no_mask(env, observation, reward, info):
    return observation, reward, {key: each for key, each in info.items() if key != "action_mask"}


def nothing_legal(env, observation, reward, info):
    return observation, reward, {**info, "action_mask": np.zeros_like(info["action_mask"])}


def other_mask(env, observation, reward, info):
    mask = info["action_mask"].copy()
    mask[0] = False
    return observation, reward, {**info, "action_mask": mask}


def counted_as_illegal(env, observation, reward, info):
    return observation, reward, {**info, "illegal_actions": 1}


def never_illegal(env, observation, reward, info):
    return observation, reward, {**info, "illegal_actions": 0}


def counts_steps(env, observation, reward, info):
    terms = {**info["reward_terms"], "steps": float(env.count)}
    return observation, reward + env.count, {**info, "reward_terms": terms}


def its_own_dice(env, observation, reward, info):
    links = observation["links"].copy()
    links[0, 0] = np.random.default_rng().random()
    return {**observation, "links": links}, reward, info


def always_the_same(env, observation, reward, info):
    return {name: np.zeros_like(array) for name, array in observation.items()}, reward, info


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (more_reward, "reward_terms.* adds up to"),
        (numpy_reward, "must be a finite float"),
        (lost_key, "stored_bits changes by"),
        (lost_request, "offered_bits is"),
        (far_pools, "observation's links must be in the observation space"),
        (one_buffer, "belongs to the caller"),
        (no_mask, "info must hold action_mask"),
        (nothing_legal, "action_mask allows none"),
        (other_mask, "agree with info"),
        (counted_as_illegal, "a legal action was counted"),
        (never_illegal, "is not in the mask, but illegal_actions counts 0"),
        (counts_steps, "same seed and actions must give the same rewards"),
        (its_own_dice, "must repeat itself"),
        (always_the_same, "agree with info|must differ"),
    ],
)
def test_each_broken_promise_of_an_environment_has_its_sentence(changes, sentence):
    with pytest.raises(AssertionError, match=f"(?i){sentence}") as caught:
        check_env(Steps(make(), changes), steps=30)
    assert str(caught.value).endswith(".")


def test_a_vector_environment_that_plays_something_else_is_found(monkeypatch):
    from qkd_gym.envs.vector import QKDVectorEnv

    plain = QKDVectorEnv.step

    def step(self, actions):
        observation, reward, *rest = plain(self, actions)
        return observation, reward + 1e-9, *rest

    monkeypatch.setattr(QKDVectorEnv, "step", step)
    with pytest.raises(AssertionError, match="member 0 of the vector environment must be"):
        check_env(LINK_ACTIVATION.env_id, steps=10, **SMALL)


def test_arguments_belong_to_an_id():
    with pytest.raises(InvalidInput, match="must be an id beside 'n_sites'"):
        check_env(make(), n_sites=6)


class Base:
    """Switches the link of the lowest legal number."""

    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return obs["action_mask"].argmax(axis=-1), state


class OneForAll(Base):
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return np.int64(0), state


class Floats(Base):
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return np.zeros(len(obs["links"])), state


class Illegal(Base):
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        return np.full(len(obs["links"]), obs["action_mask"].shape[1]), state


class Writes(Base):
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        obs["links"][:] = 0.0
        return super().predict(obs)


class Counts(Base):
    calls = 0

    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        self.calls += 1
        hold = obs["action_mask"].shape[1] - 1
        return np.full(len(obs["links"]), hold if self.calls % 3 else 0), state


class LooksAtOthers(Base):
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        hold = obs["action_mask"].shape[1] - 1
        return np.full(len(obs["links"]), hold if len(obs["links"]) == 1 else 0), state


class NeverForgets(Base):
    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        hold = obs["action_mask"].shape[1] - 1
        step = 0 if state is None else state
        return np.full(len(obs["links"]), 0 if step == 0 else hold), step + 1


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (object(), "must have a method predict"),
        (OneForAll(), r"integers of shape \(3,\) .* returns int64 of shape \(\)"),
        (Floats(), "returns float64"),
        (Illegal(), "decision 0 of episode 0 is .* mask forbids"),
        (Writes(), "leave observations as they are"),
        (Counts(), "decide the same once more"),
        (LooksAtOthers(), "for episode 0 alone what it decides for it beside others"),
        (NeverForgets(), "what it carries of members whose episode_start is true"),
    ],
)
def test_each_broken_promise_of_a_policy_has_its_sentence(policy, sentence):
    with pytest.raises(AssertionError, match=f"(?i){sentence}") as caught:
        check_policy(policy, steps=10, **SMALL)
    assert str(caught.value).endswith(".")


def test_a_policy_that_keeps_every_promise_passes():
    check_policy(Base(), steps=10, **SMALL)
