"""Gymnasium's vector wrappers on the native vector environments."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

import qkd_gym  # noqa: F401

SMALL = {"n_sites": 6, "bank_size": 4, "episode_s": 300.0}
STEPS = 5
ENV_ID = "qkd_gym/LinkActivation-v0"
ON_OBSERVATIONS = {
    "filter": lambda env: wrappers.FilterObservation(env, ["nodes", "action_mask"]),
    "flatten": wrappers.FlattenObservation,
    "transform": lambda env: wrappers.TransformObservation(env, lambda observed: observed),
}


def made(mode, **more):
    return gym.make_vec(ENV_ID, 3, autoreset_mode=mode, **SMALL, **more)


def play(env, steps):
    """Outcomes of steps that switch nothing, with resets where the mode leaves them to us."""
    hold = np.full(3, env.unwrapped.single_action_space.n - 1)
    mode, over = env.unwrapped.autoreset_mode, np.zeros(3, bool)
    for _ in range(steps):
        if mode is AutoresetMode.DISABLED and over.any():
            env.reset(options={"reset_mask": over.copy()})
        outcome = env.step(hold)
        over = outcome[3]
        yield outcome


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_statistics_of_episodes_are_those_of_their_steps(mode):
    env = wrappers.RecordEpisodeStatistics(made(mode))
    env.reset(seed=1)
    rewards, seen = np.zeros(3), 0
    for _, reward, _, over, infos in play(env, 2 * STEPS + 1):
        rewards += reward
        if over.any():
            np.testing.assert_allclose(infos["episode"]["r"], rewards)
            assert infos["episode"]["l"].tolist() == [STEPS] * 3
            rewards[:] = 0.0
            seen += 1
    assert seen == 2


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_infos_as_lists_hold_every_member_s_own(mode):
    plain, env = made(mode), wrappers.DictInfoToList(made(mode))
    for each in (plain, env):
        each.reset(seed=1)
    for theirs, ours in zip(play(plain, STEPS), play(env, STEPS), strict=True):
        for b, info in enumerate(ours[4]):
            assert info["delivered_bits"] == theirs[4]["delivered_bits"][b]
            for name, value in info["reward_terms"].items():
                assert value == theirs[4]["reward_terms"][name][b]
    assert ("final_info" in ours[4][0]) == (mode is AutoresetMode.SAME_STEP)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_rewards_and_actions_are_transformed(mode):
    plain, env = made(mode), wrappers.TransformReward(made(mode), lambda reward: 2.0 * reward)
    env = wrappers.TransformAction(env, lambda action: action)
    for each in (plain, env, normal := wrappers.NormalizeReward(made(mode))):
        each.reset(seed=1)
    for one, two, three in zip(*(play(e, STEPS) for e in (plain, env, normal)), strict=True):
        np.testing.assert_array_equal(2.0 * one[1], two[1])
        assert np.isfinite(three[1]).all()


@pytest.mark.parametrize("name", ON_OBSERVATIONS)
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_wrappers_of_observations_take_every_mode_but_same_step(name, mode):
    wrap = ON_OBSERVATIONS[name]
    if mode is AutoresetMode.SAME_STEP:
        # Gymnasium's own words: they would leave the last observations as they are.
        with pytest.raises(ValueError, match="NEXT_STEP or DISABLED"):
            wrap(made(mode))
        return
    env = wrap(made(mode))
    env.reset(seed=1)
    for observed, *_ in play(env, STEPS + 2):
        assert env.observation_space.contains(observed)


def test_flattened_observations_are_normalised_in_the_mode_that_gymnasium_wants():
    env = wrappers.NormalizeObservation(wrappers.FlattenObservation(made(AutoresetMode.NEXT_STEP)))
    env.reset(seed=1)
    for observed, *_ in play(env, STEPS + 2):
        assert np.isfinite(observed).all()


def test_frames_are_those_of_the_single_environments():
    pytest.importorskip("matplotlib")
    env = gym.make_vec(ENV_ID, 2, render_mode="rgb_array", **SMALL)
    env.reset(seed=1)
    frames = env.render()
    single = gym.make(ENV_ID, render_mode="rgb_array", **SMALL)
    for seed, frame in enumerate(frames, start=1):
        single.reset(seed=seed)
        np.testing.assert_array_equal(frame, single.render())
    assert made(AutoresetMode.SAME_STEP).render() is None
