"""BB84 with phase-randomised weak coherent pulses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import InvalidInput, require_between, require_choice
from qkd_gym.physics import decoy as decoys
from qkd_gym.physics.clicks import Clicks, coherent_clicks, single_photon_clicks
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.entropy import F64, Real, binary_entropy, threshold
from qkd_gym.physics.optimum import maximise
from qkd_gym.physics.protocols.base import (
    ERROR,
    INEFFICIENCY,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    LinkBudget,
    Protocol,
    check_fields,
    checked_transmittance,
    make_budget,
    with_misalignment,
)
from qkd_gym.physics.sampling import Counts, sample_counts

DECOYS = ("infinite", "vacuum+weak", "one", "none")


@dataclass(frozen=True)
class BB84(Protocol):
    """BB84 with weak coherent pulses and two threshold detectors, asymptotic in the block size.

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
            (2005); see `efficient_sifting`).
        error_correction_efficiency: Bits revealed per bit of entropy, f >= 1.
        repetition_rate_hz: Pulses per second.

    No key is made once the QBER reaches `qber_threshold`, even where vacuum clicks could be told
    apart.

    Sources: Gottesman, Lo, Luetkenhaus, Preskill, Quant. Inf. Comput. 4, 325 (2004); Ma, Qi, Zhao,
    Lo, PRA 72, 012326 (2005), Eq. 1. The vacuum term of later papers is left out.
    """

    detector: Detector = field(default_factory=Detector)
    mean_photon_number: Real | str = 0.5
    decoy: str = "infinite"
    decoy_photon_number: Real = 0.1
    vacuum_photon_number: Real = 0.0
    misalignment: Real = 0.015
    sifting: Real = 0.5
    error_correction_efficiency: Real = 1.16

    def __post_init__(self) -> None:
        require_choice("decoy", self.decoy, DECOYS)
        if isinstance(self.mean_photon_number, str):
            require_choice("mean_photon_number", self.mean_photon_number, ("optimal",))
        else:
            check_fields(self, mean_photon_number=POSITIVE)
        check_fields(
            self,
            decoy_photon_number=POSITIVE,
            vacuum_photon_number=NOT_NEGATIVE,
            misalignment=ERROR,
            sifting=SHARE,
            error_correction_efficiency=INEFFICIENCY,
            repetition_rate_hz=NOT_NEGATIVE,
        )
        self._check_intensities()

    def _check_intensities(self) -> None:
        if self.decoy not in ("vacuum+weak", "one"):
            return
        nu, vacuum = np.asarray(self.decoy_photon_number), np.asarray(self._weakest)
        if (vacuum >= nu).any():
            raise InvalidInput(
                f"vacuum_photon_number is {vacuum.max():g}, but must be below decoy_photon_number."
            )
        if not isinstance(self.mean_photon_number, str):
            mu = np.asarray(self.mean_photon_number)
            if (mu <= nu + vacuum).any():
                raise InvalidInput(
                    f"decoy_photon_number is {nu.max():g}, but must, with vacuum_photon_number, "
                    f"be below the mean_photon_number {mu.min():g}."
                )

    @property
    def _weakest(self) -> Real:
        return self.vacuum_photon_number if self.decoy == "vacuum+weak" else 0.0

    @property
    def qber_threshold(self) -> F64:
        """QBER at which 1 - (1 + f) h(E) vanishes: 9.81 % at f = 1.16."""
        return threshold(self.error_correction_efficiency)

    @property
    def sifted_per_detection(self) -> F64:
        """Share of the detections that become sifted key."""
        return np.asarray(self.sifting, dtype=np.float64)

    def evaluate(
        self, transmittance: ArrayLike, *, misalignment: ArrayLike | None = None
    ) -> LinkBudget:
        eta = checked_transmittance(transmittance)
        protocol = with_misalignment(self, misalignment)
        mu = protocol.photon_number(eta)
        signal, single, key = protocol._key(eta, mu)
        gates = protocol.detector.saturation(signal.gain, protocol.repetition_rate_hz)
        return make_budget(
            signal.gain * gates,
            signal.qber,
            single.yield_,
            single.error,
            key * gates,
            protocol.repetition_rate_hz,
        )

    def photon_number(self, transmittance: ArrayLike) -> F64:
        """Mean photon number of the signal at each transmittance: as set, or the optimal one."""
        if not isinstance(self.mean_photon_number, str):
            return np.asarray(self.mean_photon_number, dtype=np.float64)
        eta = checked_transmittance(transmittance)
        # Above all decoys for the bounds to hold; without decoys the optimum shrinks with eta.
        low = np.asarray(1e-9)
        if self.decoy in ("vacuum+weak", "one"):
            low = (np.asarray(self.decoy_photon_number) + self._weakest) * (1.0 + 1e-6)
        return maximise(self._signed_key_rate(eta), low, np.maximum(4.0, 2.0 * low))

    def _signed_key_rate(self, eta: F64) -> Callable[[F64], F64]:
        def rate(mu: F64) -> F64:
            signal, _, key = self._key(eta, mu, clamp=False)
            return key * self.detector.saturation(signal.gain, self.repetition_rate_hz)

        return rate

    def signal_clicks(self, transmittance: ArrayLike, mean_photon_number: ArrayLike) -> Clicks:
        """Gain and error gain of pulses of some intensity, before dead time."""
        light = np.asarray(transmittance) * np.asarray(mean_photon_number)
        return coherent_clicks(light, self.misalignment, self.detector)

    def _key(
        self, eta: F64, mu: F64, clamp: bool = True
    ) -> tuple[Clicks, decoys.SinglePhotons, F64]:
        signal = self.signal_clicks(eta, mu)
        single = self._single_photons(eta, mu, signal)
        weight = (1.0 + mu if self.decoy == "none" else mu) * np.exp(-mu)
        f = np.asarray(self.error_correction_efficiency)
        entropy = binary_entropy(signal.qber)
        secret = weight * single.yield_ * (1.0 - binary_entropy(single.error))
        key = np.asarray(self.sifting * (secret - signal.gain * f * entropy))
        if clamp:
            key = np.where((1.0 + f) * entropy < 1.0, np.maximum(key, 0.0), 0.0)
        return signal, single, key

    def _single_photons(self, eta: F64, mu: F64, signal: Clicks) -> decoys.SinglePhotons:
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

    def sample(
        self,
        transmittance: ArrayLike,
        pulses: ArrayLike,
        rng: np.random.Generator,
        *,
        misalignment: ArrayLike | None = None,
    ) -> Counts:
        eta = checked_transmittance(transmittance)
        protocol = with_misalignment(self, misalignment)
        signal = protocol.signal_clicks(eta, protocol.photon_number(eta))
        dead = protocol.detector.dead_time_s * np.asarray(protocol.repetition_rate_hz)
        return sample_counts(pulses, signal.gain, protocol.sifting, signal.qber, rng, dead)


def efficient_sifting(key_basis_probability: ArrayLike, both_bases: bool = False) -> F64:
    """Share of clicks that become key when both parties choose the key basis with probability p.

    Args:
        key_basis_probability: p in [0, 1].
        both_bases: Whether bits of the other basis make key too: p^2 + (1 - p)^2, else p^2.

    Raises:
        InvalidInput: If p is outside [0, 1].
    """
    require_between("key_basis_probability", key_basis_probability, 0.0, 1.0)
    p = np.asarray(key_basis_probability, dtype=np.float64)
    return np.asarray(p**2 + (1.0 - p) ** 2 * both_bases)


def optimal_mean_photon_number(
    misalignment: ArrayLike, error_correction_efficiency: ArrayLike
) -> F64:
    """Optimal mu for infinite decoys where loss is high and noise negligible.

    Solves (1 - mu) exp(-mu) = f h(e_d) / (1 - h(e_d)); MQZL Eq. 12. Zero where no key is possible.

    Raises:
        InvalidInput: If the misalignment is outside [0, 1/2].
    """
    require_between("misalignment", misalignment, 0.0, 0.5)
    entropy = binary_entropy(misalignment)
    goal = np.asarray(error_correction_efficiency) * entropy / np.maximum(1.0 - entropy, 1e-300)
    low, high = np.zeros_like(goal), np.ones_like(goal)
    for _ in range(60):
        middle = (low + high) / 2.0
        left = (1.0 - middle) * np.exp(-middle) > goal
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return np.asarray(low)
