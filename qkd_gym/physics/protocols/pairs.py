"""Entangled photon pairs: the statistics and the fields that BBM92 and E91 share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.fields import Real, real
from qkd_gym.physics.clicks import Clicks
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.entropy import MAX_ERROR_CORRECTION
from qkd_gym.physics.numerics import F64, checked, maximise
from qkd_gym.physics.protocols.base import MIN_SIFTING, ClickProtocol, LinkBudget, arms


@dataclass(frozen=True)
class PairProtocol(ClickProtocol):
    """A source of photon pairs between two stations with equal receivers.

    Attributes:
        detector: The receiver of either station.
        brightness: b, half the mean number of pairs per pump pulse, or ``"optimal"`` for the one
            with the largest key rate at each transmittance.
        misalignment: Probability that a pair shows the wrong correlation.
        sifting: Share of the coincidences that become key bits.
        error_correction_efficiency: Bits revealed per bit of entropy, f >= 1.
        source_position: Share of the loss in dB that lies between the source and the first
            station; 1/2 puts the source in the middle.
    """

    brightness: Real | str = real(0.05, 0.0, 100.0, low_open=True, word="optimal")
    misalignment: Real = real(0.015, 0.0, 0.5)
    sifting: Real = real(0.5, MIN_SIFTING, 1.0)
    error_correction_efficiency: Real = real(1.16, 1.0, MAX_ERROR_CORRECTION)
    source_position: Real = real(0.5, 0.0, 1.0)

    @abstractmethod
    def key_per_coincidence(self, qber: ArrayLike) -> F64:
        """Secret bits per sifted coincidence; negative where no key can be made.

        Raises:
            InvalidInput: If a QBER is outside [0, 1/2].
        """

    def arms(self, transmittance: ArrayLike) -> tuple[F64, F64]:
        """Transmittances from the source to either station, detectors included.

        Raises:
            InvalidInput: If the channel's transmittance is outside [0, 1] or does not broadcast.
        """
        return arms(self._checked(transmittance), self.source_position, self.detector)

    def coincidences(self, transmittance: ArrayLike, brightness: ArrayLike) -> Clicks:
        """Coincidences per pulse and those with an error, before dead time.

        Args:
            transmittance: Transmittance of the channel, in [0, 1], any shape.
            brightness: Half the mean number of pairs per pump pulse, in (0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        b = checked("brightness", brightness, 0.0, 100.0, low_open=True)
        self._checked(transmittance, brightness=b)
        alice, bob = self.arms(transmittance)
        return spdc_coincidences(alice, bob, b, self.misalignment, self.detector)

    def pair_brightness(self, transmittance: ArrayLike) -> F64:
        """Brightness at each transmittance in [0, 1]: as set, or the optimal one.

        Raises:
            InvalidInput: If a transmittance is out of range or does not broadcast.
        """
        eta = self._checked(transmittance)
        if not isinstance(self.brightness, str):
            return np.asarray(self.brightness)

        def rate(brightness: F64) -> F64:
            pairs = self.coincidences(eta, brightness)
            return np.asarray(pairs.gain * self.key_per_coincidence(pairs.qber))

        return maximise(rate, 1e-6, 2.0)

    def _evaluate(self, eta: F64) -> LinkBudget:
        pairs = self.coincidences(eta, self.pair_brightness(eta))
        one_pair = single_pair(*self.arms(eta), self.misalignment, self.detector)
        live = self._live(pairs.gain)
        key = self.sifting * pairs.gain * live * self.key_per_coincidence(pairs.qber)
        return self._budget(pairs.gain * live, pairs.qber, one_pair.gain, one_pair.qber, key)

    def _detections(self, eta: F64) -> tuple[F64, F64]:
        pairs = self.coincidences(eta, self.pair_brightness(eta))
        return pairs.gain, pairs.qber


def spdc_coincidences(
    alice: ArrayLike,
    bob: ArrayLike,
    brightness: ArrayLike,
    misalignment: ArrayLike,
    detector: Detector,
) -> Clicks:
    """Coincidences of a down-conversion source with P(n) = (n + 1) b^n / (1 + b)^(n + 2).

    Per pulse and before dead time. The printed expressions lose all digits in long arms; they are
    regrouped into coincidences of light with light, light with noise and noise with noise.

    Args:
        alice: Transmittance of the first station's arm, detector included, any shape.
        bob: Transmittance of the second station's arm, detector included; broadcasts.
        brightness: b, half the mean number of pairs per pulse.
        misalignment: Error probability e_d of a pair, in [0, 1/2].
        detector: The receiver of either station; only its noise is used.

    Source: Ma, Fung, Lo, PRA 76, 012307 (2007), Eqs. 9 and 10.
    """
    eta_a, eta_b = np.asarray(alice, dtype=np.float64), np.asarray(bob, dtype=np.float64)
    b = np.asarray(brightness, dtype=np.float64)
    noise = -np.expm1(2.0 * detector.log_silence)
    x, y = eta_a * b, eta_b * b
    # (1 + x)^-2, (1 + y)^-2 and v^-2 are the chances that no photon is seen at A, at B, anywhere.
    u, v = (1.0 + x) * (1.0 + y), 1.0 + x + eta_b * b * (1.0 - eta_a)
    pair = eta_a * eta_b * b * (1.0 + b) / (u * v)
    accidental = np.expm1(-2.0 * np.log1p(x)) * np.expm1(-2.0 * np.log1p(y))
    only_b = y * (1.0 - eta_a) * (v + 1.0 + x) / ((1.0 + x) * v) ** 2
    only_a = x * (1.0 - eta_b) * (v + 1.0 + y) / ((1.0 + y) * v) ** 2
    random = accidental + noise * (only_a + only_b) + (noise / v) ** 2
    gain = pair * (1.0 / u + 1.0 / v) + random
    # gain / 2 - (1 - 2 e_d) pair, without subtracting nearly equal numbers.
    multiple = random - pair * ((u - 1.0) / u + (v - 1.0) / v)
    errors = multiple / 2.0 + 2.0 * np.asarray(misalignment) * pair
    return Clicks(gain, np.maximum(errors, 0.0))


def single_pair(
    alice: ArrayLike, bob: ArrayLike, misalignment: ArrayLike, detector: Detector
) -> Clicks:
    """Coincidences of exactly one pair, and those with an error, as probabilities.

    Args:
        alice: Transmittance of the first station's arm, detector included, any shape.
        bob: Transmittance of the second station's arm, detector included; broadcasts.
        misalignment: Error probability e_d of a pair, in [0, 1/2].
        detector: The receiver of either station; only its noise is used.

    Source: Ma, Fung, Lo, PRA 76, 012307 (2007), Eqs. 5 and 8.
    """
    eta_a, eta_b = np.asarray(alice, dtype=np.float64), np.asarray(bob, dtype=np.float64)
    noise = -np.expm1(2.0 * detector.log_silence)
    noisy_a, noisy_b = noise * (1.0 - eta_a), noise * (1.0 - eta_b)
    random = eta_a * noisy_b + eta_b * noisy_a + noisy_a * noisy_b
    both = eta_a * eta_b
    return Clicks(both + random, random / 2.0 + np.asarray(misalignment) * both)
