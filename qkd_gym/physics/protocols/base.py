"""The interface of all protocols: transmittance in, link budget or counts out."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_instance
from qkd_gym.fields import Real, check_fields, real
from qkd_gym.physics.detector import MAX_RATE_HZ, Detector, array_fields
from qkd_gym.physics.entropy import threshold
from qkd_gym.physics.numerics import F64, checked_transmittance, require_broadcast
from qkd_gym.physics.sampling import I64, Counts, as_pulses, sample_counts

P = TypeVar("P", bound="Protocol")

MIN_SIFTING = 1e-9
"""Least share of the detections that becomes key."""


@dataclass(frozen=True)
class LinkBudget:
    """What a link yields. All fields are float64 arrays of one shape.

    Attributes:
        gain: Registered clicks (coincidences, symbols) per emitted pulse, after dead time.
        qber: Error rate of the sifted bits.
        single_photon_yield: Click probability of a single-photon pulse, as known or bounded by
            the protocol; NaN where the notion does not apply.
        single_photon_qber: Error rate of the clicks of single-photon pulses, as known or bounded
            by the protocol; NaN where the notion does not apply.
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
class Protocol(ABC):
    """A quantum key distribution protocol with its source, receiver and post-processing.

    Numeric fields may be arrays; they broadcast against the transmittance.

    Attributes:
        repetition_rate_hz: Emitted pulses (pairs, symbols) per second.
    """

    _: KW_ONLY
    repetition_rate_hz: Real = real(10e6, 0.0, MAX_RATE_HZ, unit="Hz")

    def __post_init__(self) -> None:
        check_fields(self)
        require_broadcast(array_fields(self))

    @property
    @abstractmethod
    def qber_threshold(self) -> F64:
        """QBER from which the protocol makes no key."""

    @property
    @abstractmethod
    def sifted_per_detection(self) -> F64:
        """Share of the detections that become sifted key."""

    @property
    def sifted_per_block(self) -> float:
        """Sifted bits from which a key is distilled at once; infinite where it is asymptotic."""
        return math.inf

    @property
    def pulse_rate_hz(self) -> F64:
        """Emitted pulses (pairs, symbols) per second."""
        return np.asarray(self.repetition_rate_hz, dtype=np.float64)

    def evaluate(
        self, transmittance: ArrayLike, *, misalignment: ArrayLike | None = None
    ) -> LinkBudget:
        """Expected rates of a link.

        Args:
            transmittance: Transmittance of the channel alone, in [0, 1], any shape; the protocol
                applies the receiver's efficiency.
            misalignment: Error probability in place of the field of that name; broadcasts.

        Raises:
            InvalidInput: Naming the value outside its range, or two shapes that do not broadcast.
        """
        protocol = with_misalignment(self, misalignment)
        return protocol._evaluate(protocol._checked(transmittance))

    def sample(
        self,
        transmittance: ArrayLike,
        pulses: ArrayLike,
        rng: np.random.Generator,
        *,
        misalignment: ArrayLike | None = None,
    ) -> Counts:
        """Random counts of an interval, exact in distribution, in time independent of its length.

        Args:
            transmittance: Transmittance of the channel alone, in [0, 1], any shape.
            pulses: Emitted pulses, whole numbers up to 2^53; broadcasts.
            rng: Source of randomness.
            misalignment: Error probability in place of the field of that name; broadcasts.

        Raises:
            InvalidInput: Naming the value outside its range, or two shapes that do not broadcast.
        """
        require_instance("rng", rng, np.random.Generator)
        protocol = with_misalignment(self, misalignment)
        sent = as_pulses(pulses)
        eta = protocol._checked(transmittance, pulses=sent)
        return protocol._sample(eta, sent, rng)

    def _checked(self, transmittance: ArrayLike, **others: ArrayLike) -> F64:
        """Transmittances in [0, 1] that broadcast against the protocol's fields and others."""
        eta = checked_transmittance(transmittance)
        require_broadcast({"transmittance": eta, **others, **array_fields(self)})
        return eta

    @abstractmethod
    def _evaluate(self, eta: F64) -> LinkBudget:
        """`evaluate` at checked transmittances, with the protocol's own misalignment."""

    @abstractmethod
    def _sample(self, eta: F64, pulses: I64, rng: np.random.Generator) -> Counts:
        """`sample` at checked transmittances, with the protocol's own misalignment."""

    def _budget(
        self,
        gain: ArrayLike,
        qber: ArrayLike,
        single_photon_yield: ArrayLike,
        single_photon_qber: ArrayLike,
        key_per_pulse: ArrayLike,
    ) -> LinkBudget:
        """A budget with all fields broadcast to one shape and the key clamped at zero."""
        key = np.maximum(key_per_pulse, 0.0)
        columns = np.broadcast_arrays(
            gain, qber, single_photon_yield, single_photon_qber, key, key * self.repetition_rate_hz
        )
        return LinkBudget(*(np.array(column, dtype=np.float64) for column in columns))


@dataclass(frozen=True)
class ClickProtocol(Protocol):
    """A protocol whose key comes from the clicks of single-photon detectors.

    Subclasses have the fields ``sifting`` and ``error_correction_efficiency``, or properties that
    do without.

    Attributes:
        detector: The receiver.
    """

    detector: Detector = field(default_factory=Detector)

    def __post_init__(self) -> None:
        require_instance("detector", self.detector, Detector)
        super().__post_init__()

    @property
    def qber_threshold(self) -> F64:
        """QBER at which 1 - (1 + f) h(E) vanishes: 9.81 % at f = 1.16."""
        return threshold(self.error_correction_efficiency)  # type: ignore[attr-defined]

    @property
    def sifted_per_detection(self) -> F64:
        """Share of the detections (coincidences, Bell measurements) that become sifted key."""
        return np.asarray(self.sifting, dtype=np.float64)  # type: ignore[attr-defined]

    @abstractmethod
    def _detections(self, eta: F64) -> tuple[F64, F64]:
        """Detections per pulse before dead time, and the QBER of those that are sifted."""

    def _live(self, gain: F64) -> F64:
        """Share of the detections that survive the dead time."""
        return self.detector.saturation(gain, self.repetition_rate_hz)

    def _sample(self, eta: F64, pulses: I64, rng: np.random.Generator) -> Counts:
        gain, qber = self._detections(eta)
        dead_gates = self.detector.dead_time_s * self.pulse_rate_hz
        return sample_counts(pulses, gain, self.sifted_per_detection, qber, rng, dead_gates)


def with_misalignment(protocol: P, misalignment: ArrayLike | None) -> P:
    """The protocol, or a copy with another misalignment; `InvalidInput` outside its range."""
    if misalignment is None:
        return protocol
    return dataclasses.replace(protocol, misalignment=misalignment)  # type: ignore[call-arg]


def arms(transmittance: ArrayLike, position: Real, detector: Detector) -> tuple[F64, F64]:
    """Transmittances of the two parts of a channel, the efficiency of a detector included in each.

    The channel's transmittance has any shape; the position is the share in [0, 1] of its loss in dB
    that lies in the first part.
    """
    eta, share = np.asarray(transmittance, dtype=np.float64), np.asarray(position)
    efficiency = np.asarray(detector.efficiency)
    return eta**share * efficiency, eta ** (1.0 - share) * efficiency
