"""The interface of all protocols: transmittance in, link budget or counts out."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_between
from qkd_gym.physics.entropy import F64, Real
from qkd_gym.physics.sampling import Counts

P = TypeVar("P", bound="Protocol")

Range = tuple[float, float, bool]  # low, high, whether low itself is excluded
POSITIVE: Range = (0.0, math.inf, True)
NOT_NEGATIVE: Range = (0.0, math.inf, False)
PROBABILITY: Range = (0.0, 1.0, False)
SHARE: Range = (0.0, 1.0, True)
ERROR: Range = (0.0, 0.5, False)
INEFFICIENCY: Range = (1.0, math.inf, False)


@dataclass(frozen=True)
class LinkBudget:
    """What a link yields. All fields are float64 arrays of one shape.

    Attributes:
        gain: Registered clicks (coincidences, symbols) per emitted pulse, after dead time.
        qber: Error rate of the sifted bits.
        single_photon_yield: Click probability of a single-photon pulse, as known or bounded by
            the protocol; NaN where the notion does not apply.
        single_photon_qber: Error rate of single-photon pulses, likewise.
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

    repetition_rate_hz: Real = field(default=10e6, kw_only=True)

    @property
    @abstractmethod
    def qber_threshold(self) -> F64:
        """QBER from which the protocol makes no key."""

    @property
    @abstractmethod
    def sifted_per_detection(self) -> F64:
        """Share of the detections that become sifted key."""

    @property
    def pulse_rate_hz(self) -> F64:
        """Emitted pulses (pairs, symbols) per second."""
        return np.asarray(self.repetition_rate_hz, dtype=np.float64)

    @abstractmethod
    def evaluate(
        self, transmittance: ArrayLike, *, misalignment: ArrayLike | None = None
    ) -> LinkBudget:
        """Expected rates of a link.

        Args:
            transmittance: Of the channel alone, in [0, 1], any shape; the protocol applies the
                receiver's efficiency.
            misalignment: Takes the place of the field of that name.

        Raises:
            InvalidInput: Naming the value outside its range.
        """

    @abstractmethod
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
            transmittance: Of the channel alone, in [0, 1].
            pulses: Emitted pulses, whole numbers up to 2^53; broadcasts.
            rng: Source of randomness.
            misalignment: Takes the place of the field of that name.

        Raises:
            InvalidInput: Naming the value outside its range.
        """


def with_misalignment(protocol: P, misalignment: ArrayLike | None) -> P:
    """The protocol itself, or a copy with another misalignment."""
    if misalignment is None:
        return protocol
    return dataclasses.replace(protocol, misalignment=misalignment)  # type: ignore[call-arg]


def checked_transmittance(transmittance: ArrayLike) -> F64:
    """The transmittance as an array.

    Raises:
        InvalidInput: If any is outside [0, 1].
    """
    require_between("transmittance", transmittance, 0.0, 1.0)
    return np.asarray(transmittance, dtype=np.float64)


def check_fields(protocol: Protocol, **ranges: Range) -> None:
    """Checks numeric fields against their ranges and turns sequences into arrays.

    Raises:
        InvalidInput: Naming the field, its value and the range.
    """
    for name, (low, high, low_open) in ranges.items():
        value = getattr(protocol, name)
        require_between(name, value, low, high, low_open=low_open)
        array = np.asarray(value, dtype=np.float64)
        object.__setattr__(protocol, name, array if array.ndim else float(array))


def make_budget(
    gain: ArrayLike,
    qber: ArrayLike,
    single_photon_yield: ArrayLike,
    single_photon_qber: ArrayLike,
    key_per_pulse: ArrayLike,
    repetition_rate_hz: ArrayLike,
) -> LinkBudget:
    """A budget with all fields broadcast to one shape and the key clamped at zero."""
    key = np.maximum(key_per_pulse, 0.0)
    columns = np.broadcast_arrays(
        gain, qber, single_photon_yield, single_photon_qber, key, key * repetition_rate_hz
    )
    return LinkBudget(*(np.array(column, dtype=np.float64) for column in columns))
