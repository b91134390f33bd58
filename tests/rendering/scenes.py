"""Scenes for tests of pictures."""

import dataclasses

import gymnasium as gym
import numpy as np

from qkd_gym.rendering import KnownFaults, scene_of


def scene(scenario="vienna", env_id="LinkActivation", steps=0, **changes):
    """A moment of an episode; names of the topology may be changed too."""
    env = gym.make(f"qkd_gym/{env_id}-v0", scenario=scenario, render_mode="ansi").unwrapped
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(steps):
        mask = info["action_mask"].astype("int8")
        _, _, _, _, info = env.step(env.action_space.sample(mask=mask))
    found = env.renderer.scene(env.core.simulator)
    network = {
        name: changes.pop(name)
        for name in ("site_names", "name", "positions_km")
        if name in changes
    }
    topology = dataclasses.replace(found.topology, **network)
    return dataclasses.replace(found, topology=topology, **changes)


def plain_scene():
    """A scene as the simulator has it."""
    env = gym.make("qkd_gym/LinkActivation-v0", scenario="vienna").unwrapped
    env.reset(seed=0)
    return scene_of(env.core.simulator)


def faulty(view, alarm=(), window=()):
    """A scene in which links have an alarm for 3 minutes, or a window planned in 20 for 10."""
    times = np.full((3, len(view.state)), np.nan)
    times[0, list(alarm)] = 180.0
    times[1:, list(window)] = [[1200.0], [1800.0]]
    return dataclasses.replace(view, faults=KnownFaults(*times))
