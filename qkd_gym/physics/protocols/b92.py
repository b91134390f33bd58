"""B92 with single photons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.fields import Real, flag, real
from qkd_gym.physics.entropy import MAX_ERROR_CORRECTION, binary_entropy
from qkd_gym.physics.numerics import F64, bisect, maximise, ratio
from qkd_gym.physics.protocols.base import ClickProtocol, LinkBudget


class Filtered(NamedTuple):
    """Probabilities per pulse: conclusive, conclusive with a bit error, with a phase error."""

    conclusive: F64
    bit_error: F64
    phase_error: F64

    @property
    def qber(self) -> F64:
        """Share of the conclusive results with a bit error; 1/2 where nothing is conclusive."""
        return np.minimum(ratio(self.bit_error, self.conclusive, 0.5), 0.5)


@dataclass(frozen=True)
class B92(ClickProtocol):
    """Two non-orthogonal states of a single photon; Bob keeps conclusive results only.

    Unambiguous discrimination makes it fragile: no key is possible once the loss exceeds the
    overlap. A gain here is a conclusive result, so that all of them are sifted bits.

    Attributes:
        detector: The receiver.
        overlap: Overlap c of the two states in [0.001, 1), or ``"optimal"`` at each transmittance.
        misalignment: QBER that an orthogonal protocol would see; a depolarising probability
            p = 3/2 of it.
        error_correction_efficiency: Bits revealed per bit of entropy, f >= 1.
        trusted_detector: Whether the eavesdropper has no use of the detector's inefficiency.

    Sources: Bennett, PRL 68, 3121 (1992); Tamaki, Luetkenhaus, PRA 69, 032316 (2004).
    """

    overlap: Real | str = real("optimal", 1e-3, 1.0, high_open=True, word="optimal")
    misalignment: Real = real(0.015, 0.0, 0.5)
    error_correction_efficiency: Real = real(1.16, 1.0, MAX_ERROR_CORRECTION)
    trusted_detector: bool = flag(False)

    @property
    def sifted_per_detection(self) -> F64:
        """1: every conclusive result is a sifted bit."""
        return np.asarray(1.0)

    @property
    def qber_threshold(self) -> F64:
        """QBER at which the key vanishes without loss; with loss it vanishes earlier."""
        c = np.linspace(0.01, 0.99, 99) if isinstance(self.overlap, str) else self.overlap

        def noisy(misalignment: F64) -> Filtered:
            return b92_filter(1.0, 1.5 * misalignment, c)

        worst, _ = bisect(lambda error: self._key(noisy(error)) > 0.0, 0.0, 0.5, 50)
        return np.asarray(np.max(noisy(worst).qber))

    def _evaluate(self, eta: F64) -> LinkBudget:
        filtered = self._filter(eta, self.state_overlap(eta))
        share, qber = self._registered_share, filtered.qber
        gain = filtered.conclusive * share
        live = self._live(gain)
        return self._budget(gain * live, qber, gain, qber, self._key(filtered) * share * live)

    def _detections(self, eta: F64) -> tuple[F64, F64]:
        filtered = self._filter(eta, self.state_overlap(eta))
        return filtered.conclusive * self._registered_share, filtered.qber

    def state_overlap(self, transmittance: ArrayLike) -> F64:
        """Overlap of the states at each transmittance in [0, 1]: as set, or the optimal one.

        Raises:
            InvalidInput: If a transmittance is outside [0, 1] or does not broadcast.
        """
        eta = self._checked(transmittance)
        if not isinstance(self.overlap, str):
            return np.asarray(self.overlap)
        # Of beta^2 - alpha^2 the optimum nears 1 with loss, so the distance from 1 is searched.
        return 1.0 - maximise(lambda gap: self._key(self._filter(eta, 1.0 - gap)), 1e-7, 0.99, 49)

    @property
    def _registered_share(self) -> F64:
        return np.asarray(self.detector.efficiency if self.trusted_detector else 1.0)

    def _filter(self, transmittance: F64, overlap: F64) -> Filtered:
        eta = transmittance * np.asarray(self.detector.efficiency)
        noise = -np.expm1(2.0 * self.detector.log_silence)
        if self.trusted_detector:
            eta, noise = transmittance, noise / np.asarray(self.detector.efficiency)
        # A dark count looks like the arrival of a completely depolarised photon.
        dark = np.minimum(noise, 1.0) * (1.0 - eta)
        arrived = eta + dark
        polarised = ratio(eta * (1.0 - 2.0 * np.asarray(self.misalignment)), arrived, 0.0)
        return b92_filter(arrived, 0.75 * (1.0 - polarised), overlap)

    def _key(self, filtered: Filtered) -> F64:
        phase = np.minimum(ratio(filtered.phase_error, filtered.conclusive, 0.5), 0.5)
        leak = np.asarray(self.error_correction_efficiency) * binary_entropy(filtered.qber)
        return np.asarray(filtered.conclusive * (1.0 - leak - binary_entropy(phase)))


def b92_filter(arrival: ArrayLike, depolarising: ArrayLike, overlap: ArrayLike) -> Filtered:
    """Conclusive results of B92 over a lossy depolarising channel and their worst phase errors.

    The phase errors are the maximum of beta^2 n01 + alpha^2 n10 over the eavesdropper's attacks.
    With n01 + n11 = B and n00 + n10 = A fixed by the observed rates, the bit errors constrain
    sqrt(n00 n11) + sqrt(n01 n10) from below. That set is convex, so the maximum lies where the
    losses of the state |1x> reach their limit. Squared twice, what is left is a quadratic in n01.

    Args:
        arrival: Probability that a photon arrives, 1 - L.
        depolarising: Probability p of a random Pauli error, in [0, 3/4].
        overlap: c = beta^2 - alpha^2 in (0, 1).

    Source: Tamaki, Luetkenhaus, PRA 69, 032316 (2004), Eqs. 17-24.
    """
    t, p, c = np.broadcast_arrays(np.asarray(arrival, dtype=np.float64), depolarising, overlap)
    alpha2, beta2 = (1.0 - c) / 2.0, (1.0 + c) / 2.0
    polarised = 1.0 - 4.0 * p / 3.0
    conclusive = t * (polarised * 2.0 * alpha2 * beta2 + 2.0 * p / 3.0)
    bit_error = t * p / 3.0
    b = (conclusive - alpha2 * t) / c
    a = t - b
    kept = t - alpha2
    coherence = t * polarised * np.sqrt(alpha2 * beta2)
    # What the bit errors bound, sqrt(n00 n11) + sqrt(n01 n10), rises up to low and falls beyond it.
    high = np.minimum(b, kept)
    low = np.minimum(np.clip(ratio((alpha2 - b) * b, a - b, 0.0), 0.0, None), high)
    # Where it never falls to the bound, all of high is possible; there n00 n11 vanishes. Else the
    # bound, squared twice, is square n01^2 + 2 half n01 + rest^2 = 0.
    lost = a - kept
    possible = np.sqrt(np.maximum(high * (lost + high), 0.0)) >= coherence
    square = t**2 * (1.0 - polarised**2 * (1.0 - c**2))
    rest = kept * b - coherence**2
    half = rest * (lost - kept - b) - 2.0 * kept * b * lost
    root = ratio(np.sqrt(np.maximum(half**2 - square * rest**2, 0.0)) - half, square, 0.0)
    largest = np.where(possible, high, np.clip(root, low, high))
    # Rounding may leave less than nothing of a vanishing phase error.
    phase_error = np.maximum(largest + alpha2 * lost, 0.0)
    return Filtered(conclusive, bit_error, np.where(b >= kept, conclusive, phase_error))
