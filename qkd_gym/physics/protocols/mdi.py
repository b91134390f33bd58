"""Measurement-device-independent QKD: the two stations send to an untrusted relay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import i0

from qkd_gym.fields import Real, real
from qkd_gym.physics.clicks import Clicks
from qkd_gym.physics.decoy import MAX_MEAN_PHOTONS, MIN_MEAN_PHOTONS
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.entropy import MAX_ERROR_CORRECTION, binary_entropy
from qkd_gym.physics.numerics import F64, checked, maximise
from qkd_gym.physics.protocols.base import MIN_SIFTING, ClickProtocol, LinkBudget, arms


@dataclass(frozen=True)
class MDI(ClickProtocol):
    """Weak coherent pulses of both stations meet in a Bell measurement; infinite decoys.

    Attributes:
        detector: The relay's detectors; dark counts are per detector.
        mean_photon_number: Mean photon number mu of either station's signal, or ``"optimal"`` for
            the one with the largest key rate at each transmittance.
        misalignment: Error probability e_d of the rectilinear basis.
        sifting: Share of the Bell measurements that become key; near 1 where the rectilinear basis
            is chosen almost always.
        error_correction_efficiency: Bits revealed per bit of entropy, f >= 1.
        relay_position: Share of the loss in dB between the first station and the relay.

    Sources: Lo, Curty, Qi, PRL 108, 130503 (2012); Ma, Razavi, PRA 86, 062319 (2012), Eqs. A9-B29.
    """

    detector: Detector = field(default_factory=lambda: Detector(0.145, 3e-6))
    mean_photon_number: Real | str = real(0.5, MIN_MEAN_PHOTONS, MAX_MEAN_PHOTONS, word="optimal")
    misalignment: Real = real(0.015, 0.0, 0.5)
    sifting: Real = real(1.0, MIN_SIFTING, 1.0)
    error_correction_efficiency: Real = real(1.16, 1.0, MAX_ERROR_CORRECTION)
    relay_position: Real = real(0.5, 0.0, 1.0)

    def arms(self, transmittance: ArrayLike) -> tuple[F64, F64]:
        """Transmittances from either station to the relay, detectors included.

        Raises:
            InvalidInput: If the channel's transmittance is outside [0, 1] or does not broadcast.
        """
        return arms(self._checked(transmittance), self.relay_position, self.detector)

    def _evaluate(self, eta: F64) -> LinkBudget:
        mu = self.photon_number(eta)
        signal, single = self.bell_measurements(eta, mu), self.single_photons(eta)
        live = self._live(signal.gain)
        key = np.where(signal.qber < self.qber_threshold, self._key(eta, mu), 0.0) * live
        return self._budget(signal.gain * live, signal.qber, single.gain, single.qber, key)

    def _detections(self, eta: F64) -> tuple[F64, F64]:
        signal = self.bell_measurements(eta, self.photon_number(eta))
        return signal.gain, signal.qber

    def photon_number(self, transmittance: ArrayLike) -> F64:
        """Mean photon number of either signal at each transmittance: as set, or the optimal one.

        Raises:
            InvalidInput: If a transmittance is outside [0, 1] or does not broadcast.
        """
        eta = self._checked(transmittance)
        if not isinstance(self.mean_photon_number, str):
            return np.asarray(self.mean_photon_number)
        return maximise(lambda mu: self._key(eta, mu), 1e-3, 2.0)

    def _key(self, eta: F64, mu: F64) -> F64:
        signal, single = self.bell_measurements(eta, mu), self.single_photons(eta)
        secret = mu**2 * np.exp(-2.0 * mu) * single.gain * (1.0 - binary_entropy(single.qber))
        leak = np.asarray(self.error_correction_efficiency) * binary_entropy(signal.qber)
        return np.asarray(self.sifting * (secret - signal.gain * leak))

    def bell_measurements(self, transmittance: ArrayLike, mu: ArrayLike) -> Clicks:
        """Successful Bell measurements per pulse in the rectilinear basis, and their errors.

        Args:
            transmittance: Transmittance of the channel, in [0, 1], any shape.
            mu: Mean photon number of either pulse, in [0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        photons = checked("mu", mu, 0.0, MAX_MEAN_PHOTONS)
        self._checked(transmittance, mu=photons)
        eta_a, eta_b = self.arms(transmittance)
        light_a, light_b = eta_a * photons, eta_b * photons
        silence = self.detector.log_silence
        noise = -np.expm1(silence)
        half = (light_a + light_b) / 2.0
        prefactor = 2.0 * np.exp(2.0 * silence - half)
        correct = prefactor * np.expm1(silence - light_a / 2) * np.expm1(silence - light_b / 2)
        beat = _bessel_less_one(np.sqrt(light_a * light_b)) - np.expm1(silence - half)
        wrong = prefactor * noise * beat
        error = np.asarray(self.misalignment)
        return Clicks(correct + wrong, error * correct + (1.0 - error) * wrong)

    def single_photons(self, transmittance: ArrayLike) -> Clicks:
        """Bell measurements of two single photons, and their errors in the diagonal basis.

        Raises:
            InvalidInput: If a transmittance is outside [0, 1] or does not broadcast.
        """
        a, b = self.arms(transmittance)
        noise = -np.expm1(self.detector.log_silence)
        quiet = np.exp(2.0 * self.detector.log_silence)
        random = (2.0 * (a + b) - 3.0 * a * b) * noise + 4.0 * (1.0 - a) * (1.0 - b) * noise**2
        both = a * b / 2.0
        errors = quiet * (random / 2.0 + np.asarray(self.misalignment) * both)
        return Clicks(quiet * (both + random), errors)


def _bessel_less_one(x: F64) -> F64:
    """I0(x) - 1 without cancellation for small x."""
    q = x**2 / 4.0
    series = q * (1.0 + q / 4.0 * (1.0 + q / 9.0 * (1.0 + q / 16.0)))
    return np.asarray(np.where(x < 0.1, series, i0(x) - 1.0))
