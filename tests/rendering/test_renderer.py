"""Render modes of the environments, and the wrappers that use them."""

import copy
import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import AddRenderObservation, HumanRendering, RenderCollection

from qkd_gym import extras
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.rendering import RenderOptions, window

ID = "qkd_gym/LinkActivation-v0"
VIENNA = {"scenario": "vienna"}


@pytest.fixture
def _no_screen(monkeypatch):
    """Windows open nowhere."""
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    import pygame

    pygame.quit()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_pictures_and_tables_follow_the_episode(task):
    for mode in ("rgb_array", "ansi"):
        env = gym.make(task.env_id, render_mode=mode, **VIENNA)
        env.reset(seed=0)
        first = env.render()
        env.action_space.seed(1)
        for _ in range(5):
            env.step(env.action_space.sample())
        last = env.render()
        if mode == "ansi":
            assert " of 150 min: – delivered, – blocked\n" in first
            assert first != last
        else:
            assert (first.dtype, first.shape) == (np.uint8, (400, 600, 3))
            assert not np.array_equal(first, last)
            assert last.flags.writeable
            assert last.base is None


def test_the_picture_is_of_the_given_size():
    options = {"size": [700, 500], "colour": "qber", "title": "mine"}
    env = gym.make(ID, render_mode="rgb_array", render_options=options, **VIENNA)
    env.reset(seed=0)
    assert env.render().shape == (500, 700, 3)
    again = gym.make(ID, render_mode="rgb_array", render_options=RenderOptions(**options), **VIENNA)
    again.reset(seed=0)
    np.testing.assert_array_equal(env.render(), again.render())
    assert json.loads(env.spec.to_json())["kwargs"]["render_options"] == options


@pytest.mark.parametrize("mode", [None, "ansi"])
def test_bad_options_are_told_in_every_mode(mode):
    with pytest.raises(InvalidInput, match="Did you mean 'size'"):
        gym.make(ID, render_mode=mode, render_options={"sise": 3}, **VIENNA)


def test_what_is_drawn_changes_no_episode():
    rewards = []
    for mode in (None, "rgb_array"):
        env = gym.make(ID, render_mode=mode, **VIENNA)
        env.reset(seed=0)
        env.action_space.seed(0)
        steps = []
        for _ in range(20):
            steps.append(env.step(env.action_space.sample())[1])
            env.render()
        rewards.append(steps)
    assert rewards[0] == rewards[1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_shows_its_own_episode(copied):
    env = gym.make(ID, render_mode="rgb_array", **VIENNA).unwrapped
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.n - 1)
    before = env.render()
    other = copied(env)
    np.testing.assert_array_equal(other.render(), before)
    env.step(0)
    assert not np.array_equal(env.render(), before)
    np.testing.assert_array_equal(other.render(), before)
    other.step(0)
    np.testing.assert_array_equal(env.render(), other.render())


def test_gymnasium_collects_pictures():
    env = RenderCollection(gym.make(ID, render_mode="rgb_array", **VIENNA))
    env.reset(seed=0)
    env.step(0)
    assert [frame.shape for frame in env.render()] == [(400, 600, 3)] * 2


def test_gymnasium_observes_pictures():
    env = AddRenderObservation(gym.make(ID, render_mode="rgb_array", **VIENNA))
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)


def test_gymnasium_records_videos(tmp_path):
    pytest.importorskip("moviepy.video.io.ImageSequenceClip")
    env = gym.make(ID, render_mode="rgb_array", episode_s=300.0, **VIENNA)
    env = gym.wrappers.RecordVideo(env, str(tmp_path))
    env.reset(seed=0)
    over = False
    while not over:
        _, _, _, over, _ = env.step(0)
    env.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


@pytest.mark.usefixtures("_no_screen")
def test_a_window_shows_every_step():
    import pygame

    env = gym.make(ID, render_mode="human", **VIENNA).unwrapped
    pictures = gym.make(ID, render_mode="rgb_array", **VIENNA).unwrapped

    def shown():
        return pygame.surfarray.array3d(pygame.display.get_surface()).transpose(1, 0, 2)

    for one in (env, pictures):
        one.reset(seed=0)
    np.testing.assert_array_equal(shown(), pictures.render())
    for one in (env, pictures):
        one.step(0)
    np.testing.assert_array_equal(shown(), pictures.render())
    assert env.render() is None
    copied = pickle.loads(pickle.dumps(env))
    assert copied.step(0)[1] == env.step(0)[1]
    env.close()
    assert pygame.display.get_surface() is None
    env.close()


@pytest.mark.usefixtures("_no_screen")
def test_gymnasium_shows_pictures_in_a_window():
    env = HumanRendering(gym.make(ID, render_mode="rgb_array", **VIENNA))
    env.reset(seed=0)
    env.step(0)
    env.close()


def test_a_window_without_pygame_is_one_sentence(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module == "pygame" else 1)
    with pytest.raises(extras.MissingExtra, match=r"pygame.*pip install .*\[render\]"):
        window.Window(10)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("task", ["LinkActivation", "Routing"])
def test_members_of_a_vector_look_like_single_environments(task, mode):
    settings = {"episode_s": 300.0, "render_mode": "rgb_array", **VIENNA}
    env_id = TASKS[task].env_id
    vector = gym.make_vec(env_id, num_envs=2, autoreset_mode=mode, **settings)
    singles = [gym.make(env_id, **settings).unwrapped for _ in range(2)]
    vector.reset(seed=3)
    over = [False, False]
    for number, single in enumerate(singles):
        single.reset(seed=3 + number)
    for step in range(18):
        frames = vector.render()
        assert isinstance(frames, tuple)
        for frame, single in zip(frames, singles, strict=True):
            np.testing.assert_array_equal(frame, single.render())
        actions = [step % single.action_space.n for single in singles]
        vector.step(np.array(actions))
        for number, single in enumerate(singles):
            # The next episode starts at once or in the step after.
            if over[number]:
                single.reset()
                over[number] = False
            else:
                over[number] = single.step(actions[number])[3]
                if over[number] and mode == "SameStep":
                    single.reset()
                    over[number] = False


def test_members_that_are_started_or_restored_begin_anew():
    vector = gym.make_vec(ID, num_envs=2, render_mode="ansi", **VIENNA)
    vector.reset(seed=0)
    snapshot = vector.snapshot()
    hold = np.full(2, vector.single_action_space.n - 1)
    for _ in range(5):
        vector.step(hold)
    assert all(" – delivered" not in text for text in vector.render())
    vector.reset(options={"reset_mask": np.array([False, True])})
    assert [" – delivered" in text for text in vector.render()] == [False, True]
    vector.restore(snapshot)
    assert [" – delivered" in text for text in vector.render()] == [True, True]


@pytest.mark.usefixtures("_no_screen")
@pytest.mark.parametrize(("members", "size"), [(3, (1200, 800)), (12, (1800, 1200))])
def test_a_window_shows_the_first_members(members, size):
    import pygame

    vector = gym.make_vec(ID, num_envs=members, render_mode="human", **VIENNA)
    vector.reset(seed=0)
    assert pygame.display.get_surface().get_size() == size
    vector.step(np.zeros(members, np.int64))
    assert vector.render() is None
    vector.close()
    assert pygame.display.get_surface() is None


@pytest.mark.parametrize("make", [gym.make, lambda *a, **k: gym.make_vec(*a, num_envs=2, **k)])
def test_an_unknown_mode_is_told(make):
    with pytest.raises(InvalidInput, match="render_mode is 'svg'.*human.*rgb_array.*ansi"):
        make(ID, render_mode="svg", **VIENNA)
