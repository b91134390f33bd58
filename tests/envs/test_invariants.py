"""Invariants of every step, under random legal and illegal actions."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qkd_gym  # noqa: F401

IDS = ["qkd_gym/LinkActivation-v0", "qkd_gym/Routing-v0", "qkd_gym/Network-v0"]
SCENARIOS = ["metro", "metro-finite", "hidden", "control-instant", "vienna", "tokyo"]
SHORT = {"episode_s": 1800.0, "bank_size": 2}


def make(env_id, scenario, **overrides):
    extra = {} if scenario in ("vienna", "tokyo") else SHORT
    return gym.make(env_id, scenario=scenario, **{"episode_s": 1800.0, **extra, **overrides})


def play(env, seed, legal, steps=10_000):
    """Yields (state before, observation, reward, info) of each step."""
    obs, info = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    stored = info["stored_bits"]
    for _ in range(steps):
        action = env.action_space.sample()
        if legal:
            mask = obs["action_mask"].astype(bool)
            action = masked_action(env, mask, rng)
        obs, reward, terminated, truncated, info = env.step(action)
        yield stored, obs, reward, info
        stored = info["stored_bits"]
        if terminated or truncated:
            break


def masked_action(env, mask, rng):
    if isinstance(env.action_space, gym.spaces.Discrete):
        return int(rng.choice(np.flatnonzero(mask)))
    parts = np.split(mask, np.cumsum(env.action_space.nvec)[:-1])
    return np.array([rng.choice(np.flatnonzero(part)) for part in parts])


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**31), legal=st.booleans(), lifetime=st.sampled_from([0.0, 400.0]))
def test_key_is_conserved_and_reward_is_the_sum_of_its_terms(
    env_id, scenario, seed, legal, lifetime
):
    env = make(env_id, scenario, key_lifetime_s=lifetime)
    env.action_space.seed(seed)
    state = env.unwrapped.core.simulator.state
    for before, _obs, reward, info in play(env, seed, legal):
        change = (
            info["generated_bits"]
            - info["consumed_bits"]
            - info["overflow_bits"]
            - info["expired_bits"]
        )
        assert info["stored_bits"] - before == change
        assert info["stored_bits"] == state.links["pool"].sum()
        assert info["delivered_bits"] + info["blocked_bits"] == info["offered_bits"]
        assert info["consumed_bits"] >= info["delivered_bits"]
        assert reward == pytest.approx(sum(info["reward_terms"].values()), abs=1e-12)
        assert state.links["pool"].min() >= 0
        assert state.links["pool"].max() <= env.unwrapped.config.pool_capacity_bits
        if lifetime == 0.0:
            assert info["expired_bits"] == 0
        if legal:
            assert info["illegal_actions"] == 0


@pytest.mark.parametrize("env_id", IDS)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**31), modules=st.integers(1, 4))
def test_module_limits_hold(env_id, seed, modules):
    env = make(env_id, "metro", modules_per_site=modules)
    env.action_space.seed(seed)
    sim = env.unwrapped.core.simulator
    for _ in play(env, seed, legal=False):
        g = sim.state.episodes["network"][0]
        active = sim.state.links["active"][0].astype(bool)
        used = np.bincount(sim.bank.link_endpoints[g][active].ravel(), minlength=sim.n_sites)
        assert used.max() <= modules
        np.testing.assert_array_equal(used, sim.state.sites["modules_used"][0])


def test_expiry_destroys_exactly_the_old_key():
    """Without demand worth mentioning, a pool holds what its link made within the lifetime."""
    env = make(
        "qkd_gym/LinkActivation-v0",
        "control-instant",
        key_lifetime_s=300.0,
        load=1e-9,
        pool_capacity_bits=2**50,
        initial_fill=0.0,
    )
    env.reset(seed=0)
    hold = env.action_space.n - 1
    made = []
    for _ in range(40):
        info = env.step(hold)[4]
        made.append(info["generated_bits"] - info["consumed_bits"])
        lifetime = 10  # intervals of 30 s
        assert abs(info["stored_bits"] - sum(made[-lifetime:])) <= 40 * len(made)


@pytest.mark.parametrize("env_id", IDS)
def test_masks_describe_legality_exactly(env_id):
    """Every action the mask allows is accepted; every one it forbids is counted."""
    env = make(env_id, "metro")
    rng = np.random.default_rng(0)
    checked = {True: 0, False: 0}
    for seed in range(6):
        obs, info = env.reset(seed=seed)
        for _ in range(30):
            mask = obs["action_mask"].astype(bool)
            np.testing.assert_array_equal(mask, env.unwrapped.action_masks())
            np.testing.assert_array_equal(mask, info["action_mask"])
            if isinstance(env.action_space, gym.spaces.Discrete):
                action = int(rng.integers(env.action_space.n))
                parts = [mask[action]]
            else:
                action = rng.integers(env.action_space.nvec)
                first = env.action_space.nvec[0]
                parts = [mask[action[0]], mask[first + action[1]]]
            obs, _, _, over, info = env.step(action)
            assert info["illegal_actions"] == parts.count(False)
            checked[all(parts)] += 1
            if over:
                break
    assert checked[True] > 20
    assert checked[False] > 20


def test_an_illegal_action_does_nothing():
    env, twin = (make("qkd_gym/LinkActivation-v0", "metro") for _ in range(2))
    obs, _ = env.reset(seed=3)
    twin.reset(seed=3)
    padding = int(np.flatnonzero(obs["link_mask"] == 0)[0])
    hold = env.action_space.n - 1
    for _ in range(5):
        after, reward, _, _, _ = env.step(padding)
        expected, expected_reward, _, _, _ = twin.step(hold)
        assert reward == expected_reward
        for name in after:
            np.testing.assert_array_equal(after[name], expected[name])


def test_no_key_during_calibration_and_key_after_it():
    env = make("qkd_gym/LinkActivation-v0", "control-instant", calibration_s=90.0)
    obs, _ = env.reset(seed=1)
    inactive = np.flatnonzero((obs["links"][:, 0] == 0) & (obs["link_mask"] == 1))
    link = int(inactive[0])
    state = env.unwrapped.core.simulator.state
    hold = env.action_space.n - 1
    ever = []
    env.step(link)
    ever.append(int(state.links["stored_ever"][0, link]))
    for _ in range(5):
        env.step(hold)
        ever.append(int(state.links["stored_ever"][0, link]))
    assert ever[:3] == [0, 0, 0]
    assert ever[3] > 0
