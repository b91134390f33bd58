"""BB84 with phase-randomised weak coherent pulses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import InvalidInput, require_between, require_choice, require_instance, shown
from qkd_gym.fields import Real, choice, number, real
from qkd_gym.physics import decoy as decoys
from qkd_gym.physics.blocks import (
    MAX_BLOCK,
    BlockCounts,
    expected_counts,
    mixture,
    sample_block_counts,
)
from qkd_gym.physics.clicks import Clicks, coherent_clicks, single_photon_clicks
from qkd_gym.physics.decoy import MAX_MEAN_PHOTONS, MIN_MEAN_PHOTONS
from qkd_gym.physics.detector import array_fields
from qkd_gym.physics.entropy import MAX_ERROR_CORRECTION, binary_entropy
from qkd_gym.physics.finite_key import LEAST_CHANCE, FiniteKey, one_decoy_key, two_decoy_key
from qkd_gym.physics.numerics import F64, checked, maximise
from qkd_gym.physics.protocols.base import MIN_SIFTING, ClickProtocol, LinkBudget
from qkd_gym.physics.sampling import as_pulses

BOUNDED = ("vacuum+weak", "one")  # decoys that bound the single photons, as finite blocks need


@dataclass(frozen=True)
class BB84(ClickProtocol):
    """BB84 with weak coherent pulses and two threshold detectors.

    Attributes:
        detector: The receiver.
        mean_photon_number: Mean photon number mu of a signal pulse, or ``"optimal"`` for the one
            with the largest key rate at each transmittance.
        decoy: What is known about single photons. ``"infinite"``: their exact yield and error;
            ``"vacuum+weak"``: bounds from two decoys; ``"one"``: bounds from one decoy;
            ``"none"``: all multi-photon pulses are given up (GLLP).
        decoy_photon_number: Mean photon number nu of the weak decoy.
        vacuum_photon_number: Mean photon number of the "vacuum" decoy, which real modulators do
            not quite extinguish.
        misalignment: Probability that a photon reaches the wrong detector.
        sifting: Share of the clicks that become key bits: 1/2 for two equally likely bases, p^2 for
            a key basis chosen with probability p by both (Lo, Chau, Ardehali, J. Cryptol. 18, 133
            (2005); see `qkd_gym.physics.optimum.efficient_sifting`).
        error_correction_efficiency: Bits revealed per bit of entropy, f >= 1.
        repetition_rate_hz: Pulses per second.
        block_size: Sifted detections from which a key is distilled at once; infinite for asymptotic
            rates. Finite blocks need the decoys ``"vacuum+weak"`` (Lim 2014) or ``"one"`` (Rusca
            2018). Pulses of all intensities then make key, in a basis that both parties choose with
            probability sqrt(``sifting``); the other basis is the test. Gain and QBER are those of
            the mixture of intensities.
        intensity_probabilities: Relative weights with which signal, weak decoy and, with two
            decoys, vacuum are chosen in finite blocks.
        secrecy: Failure probability of the secrecy of a finite block.
        correctness: Failure probability of the correctness of a finite block.

    No key is made once the QBER reaches `qber_threshold`, even where vacuum clicks could be told
    apart.

    Sources: Gottesman, Lo, Luetkenhaus, Preskill, Quant. Inf. Comput. 4, 325 (2004); Ma, Qi, Zhao,
    Lo, PRA 72, 012326 (2005), Eq. 1. The vacuum term of later papers is left out.
    """

    mean_photon_number: Real | str = real(0.5, MIN_MEAN_PHOTONS, MAX_MEAN_PHOTONS, word="optimal")
    decoy: str = choice("infinite", ("infinite", *BOUNDED, "none"))
    decoy_photon_number: Real = real(0.1, MIN_MEAN_PHOTONS, 10.0)
    vacuum_photon_number: Real = real(0.0, 0.0, 10.0)
    misalignment: Real = real(0.015, 0.0, 0.5)
    sifting: Real = real(0.5, MIN_SIFTING, 1.0)
    error_correction_efficiency: Real = real(1.16, 1.0, MAX_ERROR_CORRECTION)
    block_size: float = number(math.inf, 1.0, MAX_BLOCK, infinite=True)
    intensity_probabilities: tuple[float, float, float] = (0.7, 0.2, 0.1)
    secrecy: float = number(1e-10, LEAST_CHANCE, 1.0, high_open=True)
    correctness: float = number(1e-15, LEAST_CHANCE, 1.0, high_open=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.intensity_probabilities
        if np.shape(checked("intensity_probabilities", weights, 1e-9, 1e9)) != (3,):
            raise InvalidInput(
                f"intensity_probabilities is {shown(weights)}, but must have 3 values."
            )
        if self.decoy in BOUNDED:
            self._check_intensities()
        if self.finite:
            self._check_block()

    def _check_intensities(self) -> None:
        nu, vacuum = np.asarray(self.decoy_photon_number), np.asarray(self._weakest)
        if (vacuum >= nu * (1.0 - 1e-9)).any():
            raise InvalidInput(
                f"vacuum_photon_number is {vacuum.max():g}, but must be below decoy_photon_number."
            )
        # An optimal mean photon number is sought above the decoys.
        optimal = isinstance(self.mean_photon_number, str)
        mu = np.asarray(np.inf if optimal else self.mean_photon_number)
        if (mu * (1.0 - 1e-9) <= nu + vacuum).any():  # else rounding swamps what they differ by
            raise InvalidInput(
                f"decoy_photon_number is {nu.max():g}, but must, with vacuum_photon_number, "
                f"be below the mean_photon_number {mu.min():g}."
            )

    def _check_block(self) -> None:
        require_choice("decoy of a finite block", self.decoy, BOUNDED)
        require_between("sifting of a finite block", self.sifting, 0.0, 1.0, high_open=True)

    @property
    def finite(self) -> bool:
        """Whether keys come from finite blocks."""
        return self.block_size != math.inf

    @property
    def sifted_per_block(self) -> float:
        """Sifted bits from which a key is distilled at once; infinite where it is asymptotic."""
        return self.block_size

    @property
    def _weakest(self) -> Real:
        return self.vacuum_photon_number if self.decoy == "vacuum+weak" else 0.0

    def _evaluate(self, eta: F64) -> LinkBudget:
        mu = self.photon_number(eta)
        clicks, single = self.sifted_clicks(eta, mu), self._single_photons(eta, mu)
        live = self._live(clicks.gain)
        key = np.where(clicks.qber < self.qber_threshold, self._key(eta, mu), 0.0) * live
        return self._budget(clicks.gain * live, clicks.qber, single.yield_, single.error, key)

    def _detections(self, eta: F64) -> tuple[F64, F64]:
        clicks = self.sifted_clicks(eta, self.photon_number(eta))
        return clicks.gain, clicks.qber

    def photon_number(self, transmittance: ArrayLike) -> F64:
        """Mean photon number of the signal at each transmittance: as set, or the optimal one.

        Raises:
            InvalidInput: If a transmittance is outside [0, 1] or does not broadcast.
        """
        eta = self._checked(transmittance)
        if not isinstance(self.mean_photon_number, str):
            return np.asarray(self.mean_photon_number)
        # Above all decoys for the bounds to hold; without decoys the optimum shrinks with eta.
        low = np.asarray(1e-9)
        if self.decoy in BOUNDED:
            low = (np.asarray(self.decoy_photon_number) + self._weakest) * (1.0 + 1e-6)

        def rate(mu: F64) -> F64:
            return self._key(eta, mu) * self._live(self.sifted_clicks(eta, mu).gain)

        return maximise(rate, low, np.maximum(4.0, 2.0 * low))

    def signal_clicks(self, transmittance: ArrayLike, mean_photon_number: ArrayLike) -> Clicks:
        """Clicks per pulse of one intensity, before dead time.

        Args:
            transmittance: Transmittance of the channel alone, in [0, 1].
            mean_photon_number: Mean photon number of the pulses, in [0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        mu = checked("mean_photon_number", mean_photon_number, 0.0, MAX_MEAN_PHOTONS)
        eta = self._checked(transmittance, mean_photon_number=mu)
        return coherent_clicks(eta * mu, self.misalignment, self.detector)

    def sifted_clicks(self, transmittance: ArrayLike, mean_photon_number: ArrayLike) -> Clicks:
        """Clicks of a pulse that may make key: a signal, or in finite blocks any intensity.

        Args:
            transmittance: Transmittance of the channel alone, in [0, 1].
            mean_photon_number: Mean photon number of the signal, in [0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        if self.finite:
            mu = checked("mean_photon_number", mean_photon_number, 0.0, MAX_MEAN_PHOTONS)
            clicks, _, chances = self._intensities(transmittance, mu)
            return mixture(clicks, chances)
        return self.signal_clicks(transmittance, mean_photon_number)

    def _intensities(
        self, eta: ArrayLike, mu: ArrayLike
    ) -> tuple[list[Clicks], tuple[F64, ...], tuple[float, ...]]:
        """Clicks, mean photon numbers and probabilities of all intensities of a finite block."""
        number = 3 if self.decoy == "vacuum+weak" else 2
        values = (mu, self.decoy_photon_number, self.vacuum_photon_number)[:number]
        weights = self.intensity_probabilities[:number]
        photons = tuple(np.asarray(value, dtype=np.float64) for value in values)
        clicks = [self.signal_clicks(eta, value) for value in photons]
        return clicks, photons, tuple(weight / sum(weights) for weight in weights)

    def _key(self, eta: F64, mu: F64) -> F64:
        """Key per pulse, before dead time; asymptotic rates are negative where there is none."""
        if self.finite:
            clicks, photons, chances = self._intensities(eta, mu)
            # Pulses until the block is full; where nothing clicks it never is.
            yields = self.sifting * mixture(clicks, chances).gain
            pulses = self.block_size / np.maximum(yields, 1e-200)
            counts = expected_counts(clicks, chances, np.sqrt(self.sifting), pulses)
            return np.asarray(self._analyse(counts, photons, chances).length_bits / pulses)
        signal, single = self.signal_clicks(eta, mu), self._single_photons(eta, mu)
        weight = (1.0 + mu if self.decoy == "none" else mu) * np.exp(-mu)
        leak = np.asarray(self.error_correction_efficiency) * binary_entropy(signal.qber)
        secret = weight * single.yield_ * (1.0 - binary_entropy(single.error))
        return np.asarray(self.sifting * (secret - signal.gain * leak))

    def _analyse(
        self, counts: BlockCounts, photons: tuple[F64, ...], chances: tuple[float, ...]
    ) -> FiniteKey:
        analyse = two_decoy_key if self.decoy == "vacuum+weak" else one_decoy_key
        f = self.error_correction_efficiency
        return analyse(counts, photons, chances, f, self.secrecy, self.correctness)

    def key_from_counts(self, counts: BlockCounts, transmittance: ArrayLike = 1.0) -> FiniteKey:
        """Secret key of one block of counts, one row per intensity, strongest first.

        Args:
            counts: Measured (or expected) counts.
            transmittance: Transmittance of the channel, which matters for an ``"optimal"`` mean
                photon number only.

        Raises:
            InvalidInput: If ``block_size`` is infinite, or the counts do not fit the protocol.
        """
        self._require_finite()
        _, photons, chances = self._intensities(transmittance, self.photon_number(transmittance))
        return self._analyse(counts, photons, chances)

    def sample_block(
        self, transmittance: float, pulses: int, rng: np.random.Generator
    ) -> BlockCounts:
        """Random counts of a block in one multinomial draw, for `key_from_counts`.

        Args:
            transmittance: Transmittance of the channel, in [0, 1].
            pulses: Emitted pulses that meet a live detector.
            rng: Source of randomness.

        Raises:
            InvalidInput: If ``block_size`` is infinite or an argument is out of range.
        """
        self._require_finite()
        require_instance("rng", rng, np.random.Generator)
        sent = as_pulses(pulses)
        eta = self._checked(transmittance, pulses=sent)
        for name, value in {"transmittance": eta, "pulses": sent, **array_fields(self)}.items():
            if value.ndim:
                raise InvalidInput(
                    f"{name} has the shape {shown(value.shape)}, but must be one number for a "
                    "single block."
                )
        clicks, _, chances = self._intensities(eta, self.photon_number(eta))
        basis = float(np.sqrt(self.sifting))
        return sample_block_counts(clicks, chances, basis, int(sent), rng)

    def _require_finite(self) -> None:
        if not self.finite:
            raise InvalidInput("block_size is inf, but must be a finite number of at least 1.")

    def _single_photons(self, eta: F64, mu: F64) -> decoys.SinglePhotons:
        signal = self.signal_clicks(eta, mu)
        if self.decoy == "none":
            return decoys.untagged(signal, mu)
        clicks = single_photon_clicks(eta, self.misalignment, self.detector)
        if self.decoy == "infinite":
            return decoys.SinglePhotons(clicks.gain, clicks.qber)
        nu = np.asarray(self.decoy_photon_number)
        weak = self.signal_clicks(eta, nu)
        if self.decoy == "one":
            bound = decoys.one_decoy(signal, weak, mu, nu)
        else:
            nothing = np.asarray(self.vacuum_photon_number)
            empty = self.signal_clicks(eta, nothing)
            bound = decoys.two_decoys(signal, weak, empty, mu, nu, nothing)
        # The decoys cannot know more than there is; e1 is slightly overstated (see clicks).
        return decoys.SinglePhotons(
            np.minimum(bound.yield_, clicks.gain), np.maximum(bound.error, clicks.qber)
        )
