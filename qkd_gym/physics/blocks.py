"""Counts of a block of pulses of several intensities, expected or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.physics.clicks import Clicks
from qkd_gym.physics.numerics import F64


@dataclass(frozen=True)
class BlockCounts:
    """Sifted detections of a block by basis and intensity, strongest intensity first.

    All arrays have a leading axis over the intensities and otherwise one shape. Counts are integers
    or, as expected values, real numbers.

    Attributes:
        key: Detections in the key basis.
        key_errors: Errors among the detections in the key basis.
        test: Detections in the test basis.
        test_errors: Errors among the detections in the test basis.
    """

    key: ArrayLike
    key_errors: ArrayLike
    test: ArrayLike
    test_errors: ArrayLike


def mixture(clicks: Sequence[Clicks], probabilities: Sequence[float]) -> Clicks:
    """Clicks of a pulse of random intensity, given those at each, whose shapes broadcast."""
    gains, wrong = _weighted(clicks, probabilities)
    return Clicks(gains.sum(axis=0), wrong.sum(axis=0))


def expected_counts(
    clicks: Sequence[Clicks],
    probabilities: Sequence[float],
    key_basis_probability: ArrayLike,
    pulses: ArrayLike,
) -> BlockCounts:
    """Mean counts of a block.

    Args:
        clicks: Clicks at each intensity; their shapes broadcast.
        probabilities: Probabilities with which the intensities are chosen.
        key_basis_probability: Probability with which either party chooses the key basis; the other
            basis is the test.
        pulses: Number of emitted pulses; broadcasts.
    """
    basis = np.asarray(key_basis_probability, dtype=np.float64)
    sent, weighted = np.asarray(pulses, dtype=np.float64), _weighted(clicks, probabilities)
    return BlockCounts(*(sent * p**2 * each for p in (basis, 1.0 - basis) for each in weighted))


def _weighted(clicks: Sequence[Clicks], probabilities: Sequence[float]) -> tuple[F64, F64]:
    pairs = list(zip(probabilities, clicks, strict=True))
    return (
        np.stack(np.broadcast_arrays(*(p * click.gain for p, click in pairs))),
        np.stack(np.broadcast_arrays(*(p * click.error_gain for p, click in pairs))),
    )


def sample_block_counts(
    clicks: Sequence[Clicks],
    probabilities: Sequence[float],
    key_basis_probability: float,
    pulses: int,
    rng: np.random.Generator,
) -> BlockCounts:
    """Random counts of one block: a single multinomial over intensity, basis and outcome.

    Args:
        clicks: Clicks at each intensity, scalars.
        probabilities: Probabilities with which the intensities are chosen.
        key_basis_probability: Probability with which either party chooses the key basis.
        pulses: Number of emitted pulses.
        rng: Source of randomness.
    """
    gains, wrong = _weighted(clicks, probabilities)
    bases = (key_basis_probability, 1.0 - key_basis_probability)
    chances = np.concatenate([p**2 * each for p in bases for each in (gains - wrong, wrong)])
    drawn = rng.multinomial(pulses, [*chances, 1.0 - chances.sum()])[:-1]
    right, errors, test_right, test_errors = drawn.reshape(4, -1)
    return BlockCounts(right + errors, errors, test_right + test_errors, test_errors)
