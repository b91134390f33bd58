"""What all checks need: sentences, actions and comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from qkd_gym.errors import require_integer, shown

MEMBERS = 3  # of a vector environment


def require(kept: bool, promise: str) -> None:
    """Raises `AssertionError` with a sentence unless a promise is kept."""
    if not kept:
        raise AssertionError(f"{promise[0].upper()}{promise[1:]}.")


def require_played(steps: int, seed: int) -> None:
    """Checks how much a check shall play, and from which seed.

    Raises:
        InvalidInput: If either is out of range.
    """
    require_integer("steps", steps, 1)
    require_integer("seed", seed, 0)


def require_predict(decider: object, what: str) -> None:
    """Raises `AssertionError` if a policy or an opponent has no method ``predict``."""
    has = callable(getattr(decider, "predict", None))
    require(has, f"{what} must have a method predict, but {shown(decider)} has none")


def choices(space: spaces.Space[Any]) -> list[int]:
    """Number of choices of each decision."""
    if isinstance(space, spaces.MultiDiscrete):
        return [int(n) for n in space.nvec]
    require(
        isinstance(space, spaces.Discrete),
        f"the action space must be Discrete or MultiDiscrete, but is {shown(space)}",
    )
    return [int(cast("spaces.Discrete", space).n)]


def legal_action(space: spaces.Space[Any], mask: Any, rng: np.random.Generator) -> Any:
    """An action that a mask allows, drawn at random."""
    sizes = choices(space)
    parts = np.split(np.asarray(mask, bool), np.cumsum(sizes)[:-1])
    chosen = [int(rng.choice(np.flatnonzero(part))) for part in parts]
    return np.array(chosen) if len(sizes) > 1 else chosen[0]


def equal(one: Any, other: Any) -> bool:
    """Whether two observations are the same, arrays by their content."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return np.array_equal(one, other)
