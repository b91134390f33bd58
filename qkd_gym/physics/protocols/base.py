"""What every protocol offers the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class LinkBudget:
    """Expected performance of a link; all arrays have the broadcast shape of the arguments.

    Attributes:
        gain: Probability that a pulse makes a detection.
        qber: Quantum bit error rate of the sifted key.
        single_photon_yield: Probability that a pulse of one photon makes a detection.
        single_photon_qber: Error rate of those detections.
        key_per_pulse: Secret bits per emitted pulse, never negative.
        key_rate_bps: Secret bits per second.
    """

    gain: F64
    qber: F64
    single_photon_yield: F64
    single_photon_qber: F64
    key_per_pulse: F64
    key_rate_bps: F64


@dataclass(frozen=True)
class Counts:
    """Integer counts of one interval; arrays of int64 in the transmittance's shape.

    Attributes:
        sent: Emitted pulses.
        detected: Pulses with a detection.
        sifted: Detections in matching bases.
        errors: Sifted bits that differ.
    """

    sent: NDArray[np.int64]
    detected: NDArray[np.int64]
    sifted: NDArray[np.int64]
    errors: NDArray[np.int64]


class Protocol(Interface):
    """A protocol on a link; instances are immutable."""

    @property
    def qber_threshold(self) -> float:
        """QBER from which no key is made."""
        ...

    @property
    def sifted_per_detection(self) -> float:
        """Share of the detections that become sifted key."""
        ...

    @property
    def pulse_rate_hz(self) -> float:
        """Emitted pulses per second."""
        ...

    def evaluate(
        self, transmittance: ArrayLike, misalignment: ArrayLike | None = None
    ) -> LinkBudget:
        """Expected performance over channels; arguments broadcast against each other."""
        ...

    def sample(
        self, transmittance: ArrayLike, pulses: ArrayLike, rng: np.random.Generator
    ) -> Counts:
        """Exact random counts of one interval, at a cost independent of ``pulses``."""
        ...
