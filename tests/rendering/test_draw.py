"""Pictures exist, change with the state, and say what is missing."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym import extras
from qkd_gym.rendering import draw_network, snapshot


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


def test_missing_matplotlib_is_one_sentence(monkeypatch):
    env = gym.make("qkd_gym/LinkActivation-v0", bank_size=1).unwrapped
    env.reset(seed=0)
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match="needs matplotlib.*pip install"):
        draw_network(snapshot(env.core.simulator))
