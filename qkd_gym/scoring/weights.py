"""The weights of a scorer, and how they are one vector for a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.scoring.inputs import INPUT_NAMES

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
W = TypeVar("W")  # a named tuple of arrays


class Rule(NamedTuple):
    """Parameters of the rule that a scorer starts from, see `qkd_gym.baselines`' demand-deficit."""

    hysteresis: int
    """The score of a link that would make way counts 1 + this many times."""
    kappa: int
    """Weight of blocked demand."""
    demand_power: int
    """Exponent of the recent demand."""
    rate_power: int
    """Exponent of the estimated key rate."""
    cover_weight: int
    """Share of what half an hour of demand lacks, beside what a full pool lacks."""


RULE_NAMES = Rule._fields
RULE = Rule(*range(len(RULE_NAMES)))
LOWEST_RULE = np.array([-1.0, 0.0, 0.0, 0.0, 0.0])
HIGHEST_RULE = np.array([np.inf, np.inf, 2.0, 2.0, 1.0])


class Weights(NamedTuple):
    """Weights of a scorer with F inputs per link and H hidden units.

    A link's worth is the rule's score plus a linear function of its inputs and of the hidden units;
    what giving it up costs is 1 + hysteresis times the rule's score plus another such function.
    """

    rule: F32  # (len(RULE),)
    on: F32  # (F,) of the worth of a link
    off: F32  # (F,) of what giving it up costs
    hidden: F32  # (H, F), units max(0, .)
    hidden_on: F32  # (H,)
    hidden_off: F32  # (H,)


def halved(weights: Weights) -> Weights:
    """Half of what weights add to the rule's score, for networks unlike those of the search."""
    outputs = ("on", "off", "hidden_on", "hidden_off")
    return weights._replace(**{name: getattr(weights, name) * np.float32(0.5) for name in outputs})


# Of demand-deficit for `metro`.
_FOR_METRO = {
    "hysteresis": 0.5,
    "least_gain": 0.4,
    "kappa": 0.25,
    "demand_power": 0.0,
    "rate_power": 0.25,
    "cover_weight": 0.25,
}


def starting_weights(hidden: int = 0, seed: int = 0) -> Weights:
    """The rule with its parameters for `metro`; hidden units are random and not yet counted."""
    rng, f = np.random.default_rng(seed), len(INPUT_NAMES)
    return rule_weights(_FOR_METRO)._replace(
        hidden=rng.normal(0.0, f**-0.5, (hidden, f)).astype(np.float32),
        hidden_on=np.zeros(hidden, np.float32),
        hidden_off=np.zeros(hidden, np.float32),
    )


def rule_weights(parameters: Mapping[str, float]) -> Weights:
    """The weights that make a scorer nearly the rule demand-deficit.

    It has no dwell time, its own gate of rates, and does not value links at zero without demand.

    Args:
        parameters: Its parameters by name, see `Rule`, and ``least_gain``.
    """
    f = len(INPUT_NAMES)
    on = np.zeros(f, np.float32)
    on[INPUT_NAMES.index("one")] = -parameters["least_gain"]
    return Weights(
        rule=np.array([parameters[name] for name in RULE_NAMES], np.float32),
        on=on,
        off=np.zeros(f, np.float32),
        hidden=np.zeros((0, f), np.float32),
        hidden_on=np.zeros(0, np.float32),
        hidden_off=np.zeros(0, np.float32),
    )


def step_sizes(like: Any) -> F64:
    """By how much a search first changes every weight, as one vector."""
    steps = [0.05 if name.startswith("hidden_") else 0.1 for name in like._fields]
    return np.repeat(steps, [part.size for part in like])


def as_vector(weights: Any) -> F64:
    """All weights one after the other."""
    return np.concatenate([part.ravel() for part in weights]).astype(np.float64)


def from_vector(vector: F64, like: W) -> W:
    """The inverse of `as_vector`; parameters of a schedule's rule are cut to their ranges.

    Args:
        vector: All weights.
        like: Weights whose class and shapes to take.
    """
    parts, at = [], 0
    for part in like:  # type: ignore[attr-defined]
        parts.append(vector[at : at + part.size].reshape(part.shape).astype(np.float32))
        at += part.size
    if isinstance(like, Weights):
        parts[0] = np.clip(parts[0], LOWEST_RULE, HIGHEST_RULE).astype(np.float32)
    return type(like)(*parts)
