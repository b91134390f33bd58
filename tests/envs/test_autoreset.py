"""When the members of a vector environment start their next episodes, in each of the modes."""

import pickle
from collections import defaultdict

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import LINK_ACTIVATION, ROUTING, TASKS
from qkd_gym.errors import InvalidInput

SMALL = {"n_sites": 6, "bank_size": 8, "episode_s": 300.0}
IDS = [task.env_id for task in TASKS.values()]
NEXT_STEP, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED
ONLY_FIRST = np.array([True, False, False])


def made(env_id=LINK_ACTIVATION.env_id, mode=AutoresetMode.SAME_STEP, num_envs=3):
    return gym.make_vec(env_id, num_envs, autoreset_mode=mode, **SMALL)


def legal_actions(env, observed):
    """An action of every member, which depends on its own observation alone."""
    space = env.single_action_space
    parts = [space.n] if isinstance(space, gym.spaces.Discrete) else space.nvec
    masks = np.split(observed["action_mask"], np.cumsum(parts)[:-1], axis=1)
    seen = np.round(1000 * observed["nodes"].sum(axis=(1, 2), dtype=np.float64)).astype(int)
    chosen = [
        [np.flatnonzero(row)[number % row.sum()] for row, number in zip(mask, seen, strict=True)]
        for mask in masks
    ]
    return np.array(chosen[0] if len(chosen) == 1 else np.transpose(chosen))


def started_apart(env):
    """Resets all members, and the first again after two steps, so that they end apart."""
    observed, _ = env.reset(seed=5)
    for _ in range(2):
        observed, *_ = env.step(legal_actions(env, observed))
    return env.reset(options={"reset_mask": ONLY_FIRST.copy()})[0]


@pytest.mark.parametrize("mode", [NEXT_STEP, DISABLED])
@pytest.mark.parametrize("env_id", IDS)
def test_modes_are_as_gymnasium_defines_them(env_id, mode):
    members = [lambda: gym.make(env_id, **SMALL)] * 3
    ours, theirs = made(env_id, mode), SyncVectorEnv(members, autoreset_mode=mode)
    observed, _ = started_apart(ours), started_apart(theirs)
    ends = 0
    for _ in range(60):
        actions = legal_actions(ours, observed)
        steps = [env.step(actions) for env in (ours, theirs)]
        over = steps[0][3]
        if mode is DISABLED and over.any():
            ends += over.sum()
            resets = [env.reset(options={"reset_mask": over.copy()}) for env in (ours, theirs)]
            steps.append(resets[0])
            np.testing.assert_array_equal(resets[0][0]["links"], resets[1][0]["links"])
        elif mode is NEXT_STEP:
            ends += over.sum()
        for got, expected in zip(steps[0][1:4], steps[1][1:4], strict=True):
            np.testing.assert_array_equal(got, expected)
        for name, array in steps[1][0].items():
            np.testing.assert_array_equal(steps[0][0][name], array, err_msg=name)
        for name, array in steps[1][4].items():
            if name == "episode_totals":
                for total in steps[0][4][name]:
                    np.testing.assert_array_equal(steps[0][4][name][total], array[total])
            elif name != "reward_terms":
                np.testing.assert_array_equal(steps[0][4][name], array, err_msg=name)
        observed = steps[-1][0] if len(steps) == 3 else steps[0][0]
    assert ends > 3


def episodes_of_members(env, steps):
    """Rewards and pictures of the links of each episode of every member, in order."""
    mode, played = env.unwrapped.autoreset_mode, defaultdict(lambda: [[]])
    observed, over = env.reset(seed=5)[0], np.zeros(3, bool)
    for _ in range(steps):
        started = over
        if mode is DISABLED and over.any():
            observed, _ = env.reset(options={"reset_mask": over})
        observed, rewards, _, over, _ = env.step(legal_actions(env, observed))
        for b in range(3):
            if started[b]:
                played[b].append([])
            if started[b] and mode is NEXT_STEP:
                assert (rewards[b], over[b]) == (0.0, False)
            else:
                played[b][-1].append(rewards[b])
    return {b: [tuple(each) for each in episodes] for b, episodes in played.items()}


@pytest.mark.parametrize("env_id", IDS)
def test_all_modes_play_the_same_episodes(env_id):
    played = [episodes_of_members(made(env_id, mode), 60) for mode in AutoresetMode]
    for b in range(3):
        both = min(len(each[b]) for each in played) - 1
        assert both >= 2
        assert played[0][b][:both] == played[1][b][:both] == played[2][b][:both]


def until_some_end(env):
    observed, over = started_apart(env), np.zeros(3, bool)
    while not over.any():
        observed, _, _, over, _ = env.step(legal_actions(env, observed))
    return observed, over


def test_disabled_names_the_members_that_are_over_and_changes_nothing():
    env = made(mode=DISABLED)
    observed, over = until_some_end(env)
    assert over.tolist() == [False, True, True]
    actions = legal_actions(env, observed)
    for left, options in (("[1, 2]", None), ("[2]", np.array([False, True, False]))):
        if options is not None:
            env.reset(options={"reset_mask": options})
        before = env.unwrapped.core.simulator.state.episodes["interval"].copy()
        with pytest.raises(ResetNeeded, match=f"members \\{left[:-1]}\\] are over"):
            env.step(actions)
        np.testing.assert_array_equal(
            env.unwrapped.core.simulator.state.episodes["interval"], before
        )
    env.reset(options={"reset_mask": np.array([False, False, True])})
    env.step(actions)


def test_next_step_starts_those_that_a_reset_mask_has_left_over():
    env = made(mode=NEXT_STEP)
    observed, over = until_some_end(env)
    assert over.tolist() == [False, True, True]
    env.reset(options={"reset_mask": np.array([False, True, False])})
    intervals = env.unwrapped.core.simulator.state.episodes["interval"]
    first = intervals[0]
    env.step(legal_actions(env, observed))
    assert intervals.tolist() == [first + 1, 1, 0]


def test_the_action_of_a_member_that_starts_is_ignored():
    outcomes = []
    for last in (0, 10**6):
        env = made(mode=NEXT_STEP)
        observed, _ = until_some_end(env)
        actions = legal_actions(env, observed)
        actions[1:] = last
        outcomes.append(env.step(actions))
    assert outcomes[1][4]["illegal_actions"].tolist()[1:] == [0, 0]
    np.testing.assert_array_equal(outcomes[0][0]["links"], outcomes[1][0]["links"])
    with pytest.raises(InvalidInput, match="actions is"):
        env.step(np.full(3, 1.0))


@pytest.mark.parametrize("mode", [NEXT_STEP, DISABLED])
def test_snapshots_and_copies_know_who_is_over(mode):
    env = made(ROUTING.env_id, mode)
    observed, over = until_some_end(env)
    fresh, actions = made(ROUTING.env_id, mode), legal_actions(env, observed)
    fresh.restore(env.snapshot())
    steps = []
    for each in (pickle.loads(pickle.dumps(env)), fresh, env):
        np.testing.assert_array_equal(each.unwrapped.core.ended, over)
        if mode is DISABLED:
            with pytest.raises(ResetNeeded):
                each.step(actions)
            each.reset(options={"reset_mask": over})
        steps.append(each.step(actions))
        assert not steps[-1][3].any()
        np.testing.assert_array_equal(steps[-1][0]["links"], steps[0][0]["links"])
        np.testing.assert_array_equal(steps[-1][1], steps[0][1])


def test_beliefs_start_with_the_episodes():
    beliefs = []
    for mode in (AutoresetMode.SAME_STEP, NEXT_STEP):
        env = made(mode=mode)
        env.track_belief()
        env.reset(seed=5)
        # As many steps of the second episode, which in NEXT_STEP took one to begin.
        for _ in range(8 + (mode is NEXT_STEP)):
            env.step(np.full(3, env.single_action_space.n - 1))
        beliefs.append(env.unwrapped.core.tracker.belief)
    for one, other in zip(*beliefs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_mode_may_be_given_by_its_value_and_is_stated(mode):
    env = made(mode=mode.value)
    assert env.unwrapped.autoreset_mode is mode
    assert env.metadata["autoreset_mode"] is mode
    assert made().metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    again = gym.make_vec(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.autoreset_mode is mode
    assert again.num_envs == 3


@pytest.mark.parametrize("mode", ["NEXT_STEP", "nextstep", None, 1])
def test_what_is_no_mode_is_refused(mode):
    with pytest.raises(InvalidInput, match=r"autoreset_mode is .*'NextStep'"):
        made(mode=mode)
