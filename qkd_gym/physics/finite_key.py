"""Secret key of a finite block of decoy-state BB84.

Both analyses bound the vacuum and single-photon events of a block from its counts with Hoeffding's
inequality, at a total failure probability shared over 21 or 19 terms. The step from the test basis
to the phase errors contains a Taylor approximation (Tupkary et al., arXiv:2502.10340): good for
simulation, not for certifying a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from qkd_gym.errors import InvalidInput, require_instance, require_number, shown
from qkd_gym.physics.blocks import BlockCounts
from qkd_gym.physics.decoy import MAX_MEAN_PHOTONS
from qkd_gym.physics.entropy import MAX_ERROR_CORRECTION, binary_entropy
from qkd_gym.physics.numerics import F64, checked, ratio, require_broadcast

LEAST_CHANCE = 1e-100
"""Least failure probability of a key, far below what anybody asks for."""


@dataclass(frozen=True)
class FiniteKey:
    """What a block yields; float64 arrays of the counts' shape without the intensities.

    Attributes:
        length_bits: Secret bits, never negative; whole numbers if the counts are.
        vacuum_events: Lower bound on key-basis detections of empty pulses.
        single_photon_events: Lower bound on key-basis detections of single photons.
        phase_error: Upper bound on the phase error rate of the single-photon detections.
    """

    length_bits: F64
    vacuum_events: F64
    single_photon_events: F64
    phase_error: F64


class _Block:
    """A block's counts, scaled to what one intensity alone would give, and the key they leave.

    Secrecy fails with the sum of ``terms`` equal chances; ``number`` is that of the intensities.
    """

    def __init__(
        self,
        terms: int,
        number: int,
        counts: BlockCounts,
        intensities: Sequence[ArrayLike],
        probabilities: Sequence[float],
        error_correction_efficiency: ArrayLike,
        secrecy: float,
        correctness: float,
    ) -> None:
        require_instance("counts", counts, BlockCounts)
        for name, values in (
            ("counts.key", counts.key),
            ("intensities", intensities),
            ("probabilities", probabilities),
        ):
            if not isinstance(values, (Sequence, np.ndarray)) or len(values) != number:
                raise InvalidInput(f"{name} is {shown(values)}, but must have {number} rows.")
        chances = checked("probabilities", probabilities, 1e-18, 1.0)
        if chances.ndim != 1 or abs(chances.sum() - 1.0) > 1e-9:
            raise InvalidInput(f"probabilities sum to {chances.sum():g}, but must sum to 1.")
        rows = [checked("intensities", each, 0.0, MAX_MEAN_PHOTONS) for each in intensities]
        f = checked(
            "error_correction_efficiency", error_correction_efficiency, 1.0, MAX_ERROR_CORRECTION
        )
        require_broadcast(
            {
                "error_correction_efficiency": f,
                "counts of one intensity": np.asarray(counts.key)[0],
                **{f"intensities[{k}]": row for k, row in enumerate(rows)},
            }
        )
        mu = np.stack(np.broadcast_arrays(*rows))
        # Intensities that differ by rounding alone say nothing about single photons.
        apart = mu * (1.0 - 1e-9)
        falling = (mu[1] > 0.0) & (apart[0] > mu[1:].sum(axis=0))
        if not (falling & (mu[2:] < apart[1:-1]).all(axis=0)).all():
            raise InvalidInput(
                f"intensities are {shown(mu.tolist())}, but must fall, the first above the others' "
                "sum."
            )
        for name, chance in (("secrecy", secrecy), ("correctness", correctness)):
            require_number(name, chance, LEAST_CHANCE, 1.0, high_open=True)
        self.terms, self.counts, self.secrecy = terms, counts, secrecy
        self.efficiency, self.mu = f, mu
        self.cost = 6.0 * np.log2(terms / secrecy) + np.log2(2.0 / correctness)
        self.p = np.reshape(chances, (-1,) + (1,) * (self.mu.ndim - 1))
        weights = self.p * np.exp(-self.mu)
        self.tau0 = weights.sum(axis=0)
        self.tau1 = (weights * self.mu).sum(axis=0)

    def deviation(self, counts: ArrayLike) -> F64:
        """Hoeffding's deviation delta of counts, summed over the intensities."""
        total = np.sum(counts, axis=0, dtype=np.float64)
        return np.asarray(np.sqrt(total / 2.0 * np.log(self.terms / self.secrecy)))

    def scaled(self, counts: ArrayLike) -> tuple[list[F64], list[F64]]:
        """Lower and upper values e^k / p_k (n_k -+ delta) for each intensity."""
        n = np.asarray(counts, dtype=np.float64)
        delta, scale = self.deviation(n), np.exp(self.mu) / self.p
        rows = list(zip(scale, n, strict=True))
        return [s * (x - delta) for s, x in rows], [s * (x + delta) for s, x in rows]

    def key(self, vacuum: F64, singles: F64, test_singles: F64, test_errors: F64) -> FiniteKey:
        """Secret key from bounds on the events of a block.

        Lower bounds on the key-basis detections of empty pulses and of single photons and on the
        test-basis detections of single photons; an upper bound on the errors among the last.
        """
        error = np.minimum(ratio(np.maximum(test_errors, 0.0), test_singles, 0.5), 0.5)
        deviation = sampling_deviation(self.secrecy, error, test_singles, singles, self.terms)
        phase = np.minimum(error + deviation, 0.5)
        block = np.sum(self.counts.key, axis=0, dtype=np.float64)
        wrong = np.sum(self.counts.key_errors, axis=0, dtype=np.float64)
        qber = np.minimum(ratio(wrong, block, 0.5), 0.5)
        leak = self.efficiency * block * binary_entropy(qber)
        # Counts that no source produces could otherwise give more events than there are.
        vacuum = np.minimum(vacuum, block)
        singles = np.minimum(singles, block - vacuum)
        length = vacuum + singles * (1.0 - binary_entropy(phase)) - leak - self.cost
        usable = (singles > 0.0) & (phase < 0.5)
        length = np.where(usable, np.maximum(length, 0.0), 0.0)
        if np.issubdtype(np.asarray(self.counts.key).dtype, np.integer):
            length = np.floor(length)
        return FiniteKey(length, vacuum, singles, phase)


def two_decoy_key(
    counts: BlockCounts,
    intensities: Sequence[ArrayLike],
    probabilities: Sequence[float],
    error_correction_efficiency: ArrayLike = 1.16,
    secrecy: float = 1e-10,
    correctness: float = 1e-15,
) -> FiniteKey:
    """Key of a block with a signal and two decoys.

    Args:
        counts: Counts for the three intensities.
        intensities: Mean photon numbers mu1 > mu2 + mu3, mu2 > mu3 >= 0, at most 100;
            numbers or arrays.
        probabilities: Probabilities with which the intensities are chosen; they sum to 1.
        error_correction_efficiency: Bits revealed per bit of entropy, f in [1, 100].
        secrecy: Failure probability of the key's secrecy, in [1e-100, 1).
        correctness: Failure probability of the key's correctness, in [1e-100, 1).

    Raises:
        InvalidInput: If an argument is out of range or of another shape.

    Source: Lim, Curty, Walenta, Xu, Zbinden, PRA 89, 022307 (2014), Eqs. 1-5; its leak of error
    correction is read as n_X f h(E).
    """
    f = error_correction_efficiency
    block = _Block(21, 3, counts, intensities, probabilities, f, secrecy, correctness)
    mu1, mu2, mu3 = block.mu

    def vacuum(low: list[F64], high: list[F64]) -> F64:
        events = block.tau0 * (mu2 * low[2] - mu3 * high[1]) / (mu2 - mu3)
        return np.maximum(events, 0.0)

    def singles(low: list[F64], high: list[F64]) -> F64:
        rest = (mu2**2 - mu3**2) / mu1**2 * (high[0] - vacuum(low, high) / block.tau0)
        scale = block.tau1 * mu1 / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)
        return np.maximum(scale * (low[1] - high[2] - rest), 0.0)

    key, test = block.scaled(counts.key), block.scaled(counts.test)
    error_low, error_high = block.scaled(counts.test_errors)
    errors = block.tau1 * (error_high[1] - error_low[2]) / (mu2 - mu3)
    return block.key(vacuum(*key), singles(*key), singles(*test), errors)


def one_decoy_key(
    counts: BlockCounts,
    intensities: Sequence[ArrayLike],
    probabilities: Sequence[float],
    error_correction_efficiency: ArrayLike = 1.16,
    secrecy: float = 1e-10,
    correctness: float = 1e-15,
) -> FiniteKey:
    """Key of a block with a signal and one decoy.

    Args:
        counts: Counts for the two intensities.
        intensities: Mean photon numbers mu1 > mu2 > 0, at most 100;
            numbers or arrays.
        probabilities: Probabilities with which the intensities are chosen; they sum to 1.
        error_correction_efficiency: Bits revealed per bit of entropy, f in [1, 100].
        secrecy: Failure probability of the key's secrecy, in [1e-100, 1).
        correctness: Failure probability of the key's correctness, in [1e-100, 1).

    Raises:
        InvalidInput: If an argument is out of range or of another shape.

    Source: Rusca, Boaron, Gruenenfelder, Martin, Zbinden, APL 112, 171104 (2018), Eqs. 2-5,
    A17-A25.
    """
    f = error_correction_efficiency
    block = _Block(19, 2, counts, intensities, probabilities, f, secrecy, correctness)
    mu1, mu2 = block.mu

    def vacuum(low: list[F64], high: list[F64]) -> F64:
        return np.maximum(block.tau0 / (mu1 - mu2) * (mu1 * low[1] - mu2 * high[0]), 0.0)

    def singles(detections: ArrayLike, errors: ArrayLike) -> F64:
        low, high = block.scaled(detections)
        spread = block.deviation(detections)
        # Half of the vacuum events are errors, so the errors bound them from above.
        above = np.min(block.scaled(errors)[1], axis=0)
        vacuum_upper = 2.0 * (block.tau0 * above + spread)
        share = (mu1**2 - mu2**2) / mu1**2
        events = low[1] - (mu2 / mu1) ** 2 * high[0] - share * vacuum_upper / block.tau0
        return np.maximum(block.tau1 * mu1 / (mu2 * (mu1 - mu2)) * events, 0.0)

    error_low, error_high = block.scaled(counts.test_errors)
    return block.key(
        vacuum(*block.scaled(counts.key)),
        singles(counts.key, counts.key_errors),
        singles(counts.test, counts.test_errors),
        block.tau1 / (mu1 - mu2) * (error_high[0] - error_low[1]),
    )


def sampling_deviation(
    secrecy: float, error: ArrayLike, tested: ArrayLike, kept: ArrayLike, terms: int = 21
) -> F64:
    """How much the error rate of the kept events may exceed that of the tested ones.

    Args:
        secrecy: Failure probability of the key's secrecy, in (0, 1).
        error: Error rate of the tested events, any shape.
        tested: Number of the tested events.
        kept: Number of the events that are kept.
        terms: Number of failures over which the probability is shared.

    Returns:
        An excess that, by the source's approximation, chance passes once in ``terms / secrecy``.

    Source: Lim et al., PRA 89, 022307 (2014), below Eq. 5.
    """
    b = np.asarray(error, dtype=np.float64)
    c, d = np.asarray(tested, dtype=np.float64), np.asarray(kept, dtype=np.float64)
    rate = ratio(c + d, c * d, np.inf)
    spread = (1.0 - b) * b
    known = (c > 0.0) & (d > 0.0)
    finite = np.where(known, rate, 1.0)
    # spread log(finite / spread / eps^2), which vanishes with the spread.
    bits = (spread * np.log(finite * (terms / secrecy) ** 2) - xlogy(spread, spread)) / np.log(2.0)
    return np.where(known, np.sqrt(np.maximum(finite * bits / np.log(2.0), 0.0)), 0.5)
