"""What rules have in common: their parameters, and the rule that needs none of the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qkd_gym.baselines.policy import Observation
from qkd_gym.errors import require_between, require_integer
from qkd_gym.features import LINK


def feature(obs: Observation, name: str) -> NDArray[np.float64]:
    """A link feature, shape (B, E)."""
    return np.asarray(obs["links"][..., getattr(LINK, name)], dtype=np.float64)


def parameter(default: float, *search: float) -> Any:
    """A dataclass field for a non-negative number, and the values that tuning tries for it."""
    return field(default=default, metadata={"search": search})


@dataclass(frozen=True)
class Tunable:
    """Base of the rules with parameters.

    Attributes:
        solves_programs: Whether a decision solves a program, which takes milliseconds instead of
            microseconds.
    """

    solves_programs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in self.search_space():
            require_between(name, getattr(self, name), 0.0)

    @classmethod
    def search_space(cls) -> dict[str, Sequence[float]]:
        """Values that tuning tries, for each parameter."""
        return {f.name: f.metadata["search"] for f in dataclasses.fields(cls)}


class RandomChoice:
    """Any legal choice with equal probability.

    Args:
        seed: Seed of the rule's own generator.
    """

    def __init__(self, seed: int = 0) -> None:
        require_integer("seed", seed, 0)
        self._rng = np.random.default_rng(seed)

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One legal choice per row of the mask."""
        draws = np.where(mask, self._rng.random(mask.shape), -1.0)
        return np.asarray(draws.argmax(axis=1))
