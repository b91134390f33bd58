"""Observations for scorers: of episodes, and made by hand; and what a scorer makes of them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401
from qkd_gym.features import (
    CONTEXT_FEATURES,
    LINK,
    LINK_FEATURES,
    NODE,
    NODE_FEATURES,
    SETTING_FEATURES,
)
from qkd_gym.network.compiled.memory import padded
from qkd_gym.scoring.choice import Scratch, new_scratch
from qkd_gym.scoring.inputs import INPUT, INPUT_NAMES
from qkd_gym.scoring.play import choose_all
from qkd_gym.scoring.weights import RULE, Weights, as_vector, from_vector, starting_weights

SMALL = {"scenario": "metro", "n_sites": 10, "bank_size": 2, "episode_s": 3600.0}


def random_weights(seed: int, hidden: int = 0) -> Weights:
    """Weights near the starting ones."""
    start, rng = starting_weights(hidden, seed), np.random.default_rng(seed)
    vector = as_vector(start)
    return from_vector(vector + rng.normal(0.0, 0.3, len(vector)), start)


def observed(steps: int, seed: int = 0, batch: int = 1, **changes: Any) -> dict[str, np.ndarray]:
    """Observations of `LinkScheduling` after random legal actions, with a leading axis."""
    env = gym.make_vec("qkd_gym/LinkScheduling-v0", batch, **{**SMALL, **changes})
    observation, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        draws = rng.random(observation["action_mask"].shape) * observation["action_mask"]
        observation, *_ = env.step(draws.argmax(axis=1))
    return {name: array.copy() for name, array in observation.items()}


def by_hand(
    ends: list[tuple[int, int]], full: list[bool], active: list[int], **features: list[float]
) -> dict[str, np.ndarray]:
    """One observation of links between sites, of which some are full and some links run.

    Pools are full, so that the rule finds nothing worth a switch.
    """
    links = np.zeros((len(ends), len(LINK_FEATURES)), np.float32)
    links[:, [LINK.pool_fill, LINK.pool_cover]] = 1.0
    links[:, LINK.active] = active
    for name, values in features.items():
        links[:, getattr(LINK, name)] = values
    nodes = np.zeros((len(full), len(NODE_FEATURES)), np.float32)
    nodes[:, NODE.modules_used] = np.where(full, 1.0, 0.5)
    return {
        "links": links,
        "nodes": nodes,
        "link_endpoints": np.array(ends),
        "link_mask": np.ones(len(ends), np.int8),
        "action_mask": np.ones(len(ends) + 1, np.int8),
        "context": np.zeros(len(CONTEXT_FEATURES), np.float32),
        "setting": np.zeros(len(SETTING_FEATURES), np.float32),
        "past_sizes": np.zeros(1, np.float32),
    }


def worth_and_price_by_feature() -> Weights:
    """A link's worth is its feature `length`, and its price the feature `demand_now`."""
    start = starting_weights()
    on, off, rule = start.on * 0.0, start.off * 0.0, start.rule.copy()
    on[INPUT.length], off[INPUT.demand_now] = 1.0, 1.0
    rule[RULE.kappa] = 0.0
    return start._replace(rule=rule, on=on, off=off)


def scored(weights: Weights, observation: dict[str, np.ndarray]) -> Scratch:
    """What a scorer has written of one observation, cut to the links that there are."""
    n_links, n_features = observation["links"].shape
    links = np.zeros((1, n_features, padded(n_links)), np.float32)
    links[0, :, :n_links] = observation["links"].T
    scratch = new_scratch(n_links, len(observation["nodes"]))
    one = {name: observation[name][None] for name in ("link_endpoints", "context", "setting")}
    masks = {name: observation[name][None] for name in ("link_mask", "action_mask")}
    choose_all(
        weights,
        links,
        np.ascontiguousarray(observation["nodes"].T, np.float32)[None],
        one["link_endpoints"].astype(np.int64),
        masks["link_mask"].astype(np.int8),
        masks["action_mask"].astype(np.int8),
        one["context"],
        one["setting"],
        scratch,
        np.empty(1, np.int64),
        np.empty((1, n_links), np.float32),
        np.empty((1, len(observation["nodes"])), np.int64),
    )
    count = int(observation["link_mask"].sum())
    kept = {name: getattr(scratch, name)[..., :count] for name in ("inputs", "worth", "price")}
    assert len(scratch.inputs) == len(INPUT_NAMES)
    return scratch._replace(**kept)
