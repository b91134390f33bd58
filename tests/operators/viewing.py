"""Environments and views that tests of views share."""

import json

import gymnasium as gym
import numpy as np

from qkd_gym.operators import view

SMALL = {"n_sites": 10, "bank_size": 3}
NODE, ALARM_NAME = "etsi-qkd-sdn-node:qkd_node", "etsi-qkd-sdn-node:alarm"
# Faults of every kind at once, of which many are announced.
UPKEEP = {"name": "upkeep", "strikes": "district", "duration_min_s": 900.0, "announced_s": 1200.0}
FAULTY = {"scenario": "bad-days", "n_sites": 10, "bank_size": 1}
ANNOUNCED = {**FAULTY, "faults": [{**UPKEEP, "per_hour": 3.0, "detection_s": 0.0}]}


def played(env_id, steps, seed=0, **options):
    """An environment after random legal actions, and its last observation."""
    env = gym.make(env_id, **options)
    *_, last = observations(env, steps, seed)
    return env, last


def observations(env, steps, seed=0):
    """Observations of an environment before random legal actions, and after the last."""
    observation, info = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    yield observation
    is_joint = isinstance(env.action_space, gym.spaces.MultiDiscrete)
    parts = env.action_space.nvec[:1] if is_joint else []
    for _ in range(steps):
        masks = np.split(info["action_mask"], parts)
        action = [rng.choice(np.flatnonzero(mask)) for mask in masks]
        observation, *_, info = env.step(action if len(action) > 1 else action[0])
        yield observation


def through_json(env, member=0):
    return json.loads(json.dumps(view(env, member), allow_nan=False))


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) and first[name].dtype == second[name].dtype
        for name in first
    )


def link_entries(plain):
    for tree in plain["nodes"]:
        yield from tree[NODE]["qkd_links"]["qkd_link"]
