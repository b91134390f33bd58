"""LinkScheduling: several switches to an interval, and the operator says what makes way."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.features import LINK, SETTING

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 1800.0}


def fresh(seed=0, **changes):
    env = gym.make("qkd_gym/LinkScheduling-v0", **{**SMALL, **changes})
    return env, *env.reset(seed=seed)


def links_at(observation, *, active, site=None):
    """Links that run, or do not, anywhere or at a site."""
    runs = (observation["links"][:, LINK.active] > 0.5) & (observation["link_mask"] > 0)
    here = np.ones(len(runs), bool)
    if site is not None:
        here = (observation["link_endpoints"] == site).any(axis=1)
    return np.flatnonzero(here & (runs if active else ~runs & (observation["link_mask"] > 0)))


def full_link(observation):
    """A link that waits for a module at both ends."""
    full = observation["links"][:, LINK.full_endpoints] == 1.0
    return int(np.flatnonzero(full & (observation["link_mask"] > 0))[0])


@pytest.mark.parametrize("limit", [1, 2])
def test_time_passes_once_enough_links_are_switched_on(limit):
    env, observation, info = fresh(switches_per_interval=limit)
    for link in links_at(observation, active=False)[:limit]:
        assert info["elapsed_s"] == 0.0
        observation, _, _, _, info = env.step(link)
    assert info["elapsed_s"] == 60.0
    assert info["action_mask"][:-1].sum() == observation["link_mask"].sum()


def test_no_time_passes_while_links_are_switched_off():
    env, observation, info = fresh()
    before = info["stored_bits"]
    running = links_at(observation, active=True)
    for link in running:
        observation, reward, _, _, info = env.step(link)
        assert (reward, info["offered_bits"], info["elapsed_s"]) == (0.0, 0, 0.0)
        assert (info["stored_bits"], info["switches"]) == (before, 1)
    assert len(links_at(observation, active=True)) == 0
    _, _, _, _, info = env.step(env.action_space.n - 1)
    assert info["elapsed_s"] == 60.0
    assert info["generated_bits"] == 0


def test_the_named_links_make_way():
    env, observation, _ = fresh()
    wanted = full_link(observation)
    ends = observation["link_endpoints"][wanted]
    # Not those of least need, which the environment would take.
    chosen = {
        max(
            links_at(observation, active=True, site=v),
            key=lambda e: observation["links"][e, LINK.need],
        )
        for v in ends
    }
    before = set(links_at(observation, active=True))
    for link in chosen:
        observation, *_ = env.step(link)
    observation, *_ = env.step(wanted)
    assert set(links_at(observation, active=True)) == before - chosen | {wanted}


def test_a_link_is_switched_once_per_interval():
    env, observation, _ = fresh()
    link = links_at(observation, active=True)[0]
    observation, _, _, _, info = env.step(link)
    assert not info["action_mask"][link]
    observation, _, _, _, info = env.step(link)
    assert info["illegal_actions"] == 1
    assert info["elapsed_s"] == 60.0
    assert observation["links"][link, LINK.active] == 0.0
    assert info["action_mask"][link]


def test_one_switch_per_interval_is_link_activation():
    """Where links are only switched on, both environments play the same episode."""
    env, observation, _ = fresh(switches_per_interval=1)
    other = gym.make("qkd_gym/LinkActivation-v0", **SMALL)
    other.reset(seed=0)
    rng, over = np.random.default_rng(0), False
    while not over:
        action = rng.choice([*links_at(observation, active=False), env.action_space.n - 1])
        observation, reward, _, over, _ = env.step(action)
        same, same_reward, *_ = other.step(action)
        assert reward == same_reward
        for name, array in same.items():
            np.testing.assert_array_equal(array, observation[name])


def test_any_legal_policy_comes_to_an_end():
    env, _, info = fresh(episode_s=600.0)
    rng, steps, over = np.random.default_rng(1), 0, False
    while not over:
        legal = np.flatnonzero(info["action_mask"][:-1])
        action = rng.choice(legal) if len(legal) else env.action_space.n - 1
        _, _, _, over, info = env.step(action)
        steps += 1
    assert info["elapsed_s"] == 600.0
    assert steps <= 10 * env.action_space.n


def test_past_requests_are_those_that_were_accounted_for():
    env, observation, info = fresh(seed=3, requests_per_site_hour=60.0)
    core = env.unwrapped.core
    mean_bits = core.simulator.bank.networks[core.simulator.arrays.episodes["network"][0]][
        "mean_request_bits"
    ]
    assert not observation["past_sizes"].any()
    for _ in range(10):
        observation, _, _, _, info = env.step(env.action_space.n - 1)
        sizes = observation["past_sizes"]
        assert (sizes > 0).sum() == info["requests"]
        assert np.expm1(sizes).sum() * mean_bits == pytest.approx(info["offered_bits"], rel=1e-5)
        ends = observation["past_endpoints"][sizes > 0]
        assert (ends[:, 0] < ends[:, 1]).all()
    link = links_at(observation, active=True)[0]
    again, *_ = env.step(link)
    np.testing.assert_array_equal(again["past_sizes"], observation["past_sizes"])


def test_the_setting_is_what_the_configuration_says():
    _, observation, _ = fresh(calibration_s=120.0, modules_per_site=3, episode_s=7200.0)
    setting = observation["setting"]
    assert setting[SETTING.calibration] == pytest.approx(np.log(3.0))
    assert setting[SETTING.modules] == pytest.approx(np.log(3.0))
    assert setting[SETTING.episode] == pytest.approx(np.log(3.0))
    assert setting[SETTING.interval] == 1.0
    _, larger, _ = fresh(pool_capacity_bits=60_000_000)
    _, smaller, _ = fresh(pool_capacity_bits=30_000_000)
    ratio = np.expm1(10.0 * larger["setting"]) / np.expm1(10.0 * smaller["setting"])
    assert ratio[SETTING.pool] == pytest.approx(2.0, rel=1e-4)
