"""A receiver with two equal single-photon detectors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_number
from qkd_gym.fields import Real, check_fields, number, real
from qkd_gym.physics.numerics import F64, checked, require_broadcast

MAX_PHOTONS = 1e12
"""Most stray photons per gate; beyond some thousands the detectors always click."""
MAX_RATE_HZ = 1e12
"""Fastest clock of a source, in Hz."""


@dataclass(frozen=True)
class Detector:
    """A pair of threshold detectors, one per bit value, and the optics in front of them.

    Attributes:
        efficiency: Probability that a photon at the receiver's input clicks, its optics included.
        dark_count_probability: Probability of a click without light, per detector and gate. It is
            not reduced by the efficiency.
        afterpulse_probability: Probability that a click is followed by a spurious one.
        dead_time_s: Time for which both detectors are held off after a click.
        background_photons: Mean number of stray photons (Raman scattering, daylight) at each
            detector's input per gate; they click with the efficiency. Zero in the dark.

    All but ``dead_time_s`` may be arrays, which broadcast against the transmittance.
    """

    efficiency: Real = real(0.1, 1e-6, 1.0)
    dark_count_probability: Real = real(1e-6, 0.0, 1.0, high_open=True)
    afterpulse_probability: Real = real(0.0, 0.0, 1.0)
    dead_time_s: float = number(0.0, 0.0, 3600.0, unit="s")
    background_photons: Real = real(0.0, 0.0, MAX_PHOTONS)

    def __post_init__(self) -> None:
        check_fields(self)
        require_broadcast(array_fields(self))

    @classmethod
    def from_background(cls, efficiency: float, background_probability: float) -> Detector:
        """A detector pair given its efficiency and the background of the whole receiver.

        Y0 = 1 - (1 - pd)^2 in [0, 1) is the probability that either clicks without light.

        Raises:
            InvalidInput: If a probability is outside its range.
        """
        require_number("background_probability", background_probability, 0.0, 1.0, high_open=True)
        per_detector = -np.expm1(0.5 * np.log1p(-float(background_probability)))
        return cls(efficiency=efficiency, dark_count_probability=float(per_detector))

    def with_stray_light(self, photons: ArrayLike) -> Detector:
        """The receiver with more unpolarised stray light, half of which meets either detector.

        The mean number of photons is per gate and at the receiver's input.

        Raises:
            InvalidInput: If the number is outside [0, 1e12], or the sum with what there is.
        """
        share = checked("photons", photons, 0.0, MAX_PHOTONS) / 2.0
        require_broadcast({"photons": share, **array_fields(self)})
        return dataclasses.replace(self, background_photons=self.background_photons + share)

    @property
    def log_silence(self) -> F64:
        """Logarithm of the probability that one detector stays silent in an empty gate.

        Means of independent noise add, so this is taken before anything is exponentiated.
        """
        dark = np.log1p(-np.asarray(self.dark_count_probability))
        return np.asarray(dark - np.asarray(self.efficiency) * self.background_photons)

    def saturation(self, click_probability: ArrayLike, repetition_rate_hz: ArrayLike) -> F64:
        """Share of the clicks that survive the dead time, 1 / (1 + Q D) with D gates of hold-off.

        Q is the probability that a gate clicks, of any shape.

        Raises:
            InvalidInput: If an argument is out of range.

        Source: non-paralysable counter with a common hold-off, Rogers et al., NJP 9, 319 (2007).
        """
        clicks = checked("click_probability", click_probability, 0.0, 1.0)
        rate = checked("repetition_rate_hz", repetition_rate_hz, 0.0, MAX_RATE_HZ, unit="Hz")
        require_broadcast({"click_probability": clicks, "repetition_rate_hz": rate})
        return np.asarray(1.0 / (1.0 + clicks * (rate * self.dead_time_s)))


def array_fields(record: Any, owner: str = "") -> dict[str, F64]:
    """Fields of a dataclass, and of those inside it, that are arrays, by their dotted names."""
    found = {}
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), f"{owner}{field.name}"
        if dataclasses.is_dataclass(value):
            found.update(array_fields(value, f"{name}."))
        elif isinstance(value, np.ndarray):
            found[name] = value
    return found
