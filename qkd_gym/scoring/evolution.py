"""Evolution strategy over the weights of a scorer.

Separable CMA-ES (Ros and Hansen, PPSN X, 2008) by the library ``cmaes``. Each candidate has its
mirror image. The result is a running mean of the distribution's mean, whose noise is a fraction of
that of any candidate.

Nothing here solves a system of equations, whose last bits would hang on the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qkd_gym.extras import require_extra
from qkd_gym.scoring.weights import as_vector, from_vector, step_sizes

require_extra("search", "cmaes")

import cmaes

_KEPT = 0.9  # of the running mean


class Evolution:
    """Generations of weights around some to start from.

    Args:
        start: Weights of a scorer of any kind.
        population: Candidates of a generation, an even number.
        spread: Spread of the first candidates, in units of `weights.step_sizes`.
        seed: Of all draws.
    """

    def __init__(self, start: Any, population: int, spread: float, seed: int) -> None:
        self._start, self._pairs = start, population // 2
        self._origin, self._steps = as_vector(start), step_sizes(start)
        self._optimizer = cmaes.SepCMA(
            mean=np.zeros(len(self._origin)), sigma=spread, population_size=population, seed=seed
        )
        self._points: list[Any] = []
        self._running: Any = None

    def ask(self) -> list[Any]:
        """The candidates of the next generation."""
        drawn = [self._optimizer.ask() for _ in range(self._pairs)]
        self._points = drawn + [2.0 * self._optimizer.mean - point for point in drawn]
        return [self._weights(point) for point in self._points]

    def tell(self, shares: Sequence[float]) -> None:
        """Ends a generation.

        Args:
            shares: How good each candidate was, in the order of `ask`; more is better.
        """
        ranked = [(point, -share) for point, share in zip(self._points, shares, strict=True)]
        self._optimizer.tell(ranked)
        kept = 0.0 if self._running is None else _KEPT
        before = 0.0 if self._running is None else self._running
        self._running = kept * before + (1.0 - kept) * self._optimizer.mean

    @property
    def found(self) -> Any:
        """The running mean; the start before the first generation has ended."""
        return self._start if self._running is None else self._weights(self._running)

    def _weights(self, point: Any) -> Any:
        return from_vector(self._origin + self._steps * point, self._start)
