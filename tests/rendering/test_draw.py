"""Pictures exist, change with the state, and say what is missing."""

import dataclasses
import re

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym import extras
from qkd_gym.rendering import draw_network, snapshot, to_rgb_array


@pytest.mark.parametrize("scenario", ["metro", "vienna"])
def test_render(scenario):
    env = gym.make("qkd_gym/LinkActivation-v0", scenario=scenario, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    for _ in range(10):
        env.step(env.action_space.sample())
    assert not np.array_equal(first, env.render())


def test_snapshot_shows_the_state():
    env = gym.make("qkd_gym/LinkActivation-v0", bank_size=1).unwrapped
    obs, _ = env.reset(seed=0)
    link = int(np.flatnonzero((obs["links"][:, 0] == 0) & (obs["link_mask"] == 1))[0])
    env.step(link)
    view = snapshot(env.core.simulator)
    assert view.active[link]
    assert view.calibrating[link]
    assert view.elapsed_s == 30.0
    used = np.bincount(view.link_endpoints[view.active].ravel(), minlength=20)
    np.testing.assert_array_equal(view.modules_used, used)


def moment(**changes):
    """The start of an episode in Vienna, changed."""
    env = gym.make("qkd_gym/LinkActivation-v0", scenario="vienna").unwrapped
    env.reset(seed=0)
    return dataclasses.replace(snapshot(env.core.simulator), **changes)


def drawn_texts(view):
    figure = draw_network(view)
    assert to_rgb_array(figure).ndim == 3
    axes = figure.axes[0]
    return [text.get_text() for text in axes.texts], axes.get_title()


def test_dollar_in_a_name_is_drawn_as_it_is():
    names = ("A$\\frac$", "$$", "$x$", "_^{", "\\", "b")
    texts, title = drawn_texts(moment(site_names=names, name="$\\bad$"))
    assert set(names) < set(texts)
    assert title.startswith("$\\bad$:")


def test_names_of_any_characters_and_length_are_drawn_on_one_line():
    names = ("a\nb", "a\0b", "a\ud800b", "a\u202eb", "x" * 5000, "b")
    texts, title = drawn_texts(moment(site_names=names, name="y" * 5000))
    assert texts.count("a\N{REPLACEMENT CHARACTER}b") == 4
    assert max(map(len, texts)) == 24
    assert len(title) < 100


def test_modules_are_drawn_as_whole_numbers():
    texts, _ = drawn_texts(moment())
    assert sum(re.fullmatch(r"\d/\d", text) is not None for text in texts) == 6


def test_missing_matplotlib_is_one_sentence(monkeypatch):
    env = gym.make("qkd_gym/LinkActivation-v0", bank_size=1).unwrapped
    env.reset(seed=0)
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match="needs matplotlib.*pip install"):
        draw_network(snapshot(env.core.simulator))
