"""Counts of a block of pulses of several intensities, expected or drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.physics.clicks import Clicks
from qkd_gym.physics.numerics import F64, checked, require_broadcast

MAX_BLOCK = 1e30
"""Most sifted detections, or symbols, of one block."""
MAX_COUNT = 1e40
"""Largest count of a block; the test basis of a long one may be chosen very often."""


@dataclass(frozen=True)
class BlockCounts:
    """Sifted detections of a block by basis and intensity, strongest intensity first.

    All arrays have a leading axis over the intensities and otherwise broadcast. Counts are integers
    or, as expected values, real numbers, from 0 to 1e40, and errors are no more than detections.

    Raises:
        InvalidInput: If the counts are not so.

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

    def __post_init__(self) -> None:
        names = [field.name for field in dataclasses.fields(self)]
        counts = {name: checked(name, getattr(self, name), 0.0, MAX_COUNT) for name in names}
        for name, array in counts.items():
            if array.ndim == 0 or len(array) != len(counts["key"]):
                raise InvalidInput(
                    f"{name} has the shape {shown(array.shape)}, but must have one row for each "
                    f"intensity, as key of shape {shown(counts['key'].shape)}."
                )
        require_broadcast(counts)
        for name in ("key", "test"):
            made, wrong = np.broadcast_arrays(counts[name], counts[f"{name}_errors"])
            if (wrong > made).any():
                worst = wrong[wrong > made][0]
                raise InvalidInput(f"{name}_errors is {worst:g}, but must be at most {name}.")


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
