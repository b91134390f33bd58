"""Continuous-variable QKD with Gaussian-modulated coherent states (GG02)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym.fields import Real, choice, flag, number, real
from qkd_gym.physics.blocks import MAX_BLOCK
from qkd_gym.physics.finite_key import LEAST_CHANCE
from qkd_gym.physics.numerics import F64, bisect, checked
from qkd_gym.physics.protocols.base import LinkBudget, Protocol
from qkd_gym.physics.sampling import I64, Counts

Extended = NDArray[np.longdouble]

NOISE_PER_ERROR = 8.0  # interception of a share s adds 2 s shot noise units, or s / 4 to a QBER

MAX_NOISE = 100.0  # shot noise units; 4 of excess noise already leave no key


@dataclass(frozen=True)
class CVQKD(Protocol):
    """Gaussian modulation, reverse reconciliation, security against collective attacks.

    Variances are in shot noise units; excess noise is referred to the channel's input. There are no
    bit errors. As ``qber`` the budget reports the excess noise divided by 8: the QBER that the same
    intercept-resend attack, which adds 2 s to the excess noise and s / 4 to the QBER, would cause.

    Attributes:
        efficiency: Efficiency of the detector.
        electronic_noise: Variance of the detector's electronic noise.
        modulation_variance: Variance V_A of Alice's modulation.
        excess_noise: Excess noise xi of the channel.
        reconciliation_efficiency: Share beta of the mutual information that becomes common bits.
        detection: ``"homodyne"`` (one quadrature) or ``"heterodyne"`` (both).
        trusted_detector: Whether the eavesdropper has no use of the detector's loss and noise.
        block_size: Symbols per block for finite-size effects; infinite for the asymptotic rate.
        estimation_share: Share of a finite block spent on estimating the channel.
        failure_probability: Failure probability of the security of a finite block.
        misalignment: Polarisation error. Up to ``tracked_misalignment`` it only dims the signal,
            which interferes with a local oscillator; beyond, it counts as an attack, as 8 units of
            excess noise per unit of error.
        tracked_misalignment: Largest error that polarisation tracking explains.

    Sources: Grosshans, Grangier, PRL 88, 057902 (2002); Lodewyck et al., PRA 76, 042305 (2007);
    Fossier et al., J. Phys. B 42, 114014 (2009); Leverrier, Grosshans, Grangier, PRA 81, 062343
    (2010).
    """

    efficiency: Real = real(0.6, 1e-6, 1.0)
    electronic_noise: Real = real(0.05, 0.0, MAX_NOISE)
    modulation_variance: Real = real(5.0, 1e-6, 1e8)
    excess_noise: Real = real(0.01, 0.0, MAX_NOISE)
    reconciliation_efficiency: Real = real(0.95, 0.0, 1.0, low_open=True)
    detection: str = choice("homodyne", ("homodyne", "heterodyne"))
    trusted_detector: bool = flag(True)
    block_size: float = number(math.inf, 2.0, MAX_BLOCK, infinite=True)
    estimation_share: float = number(0.5, 1e-3, 0.999)
    failure_probability: float = number(1e-10, LEAST_CHANCE, 1.0, high_open=True)
    misalignment: Real = real(0.0, 0.0, 0.5)
    tracked_misalignment: Real = real(0.05, 0.0, 0.5)

    @property
    def sifted_per_detection(self) -> F64:
        """Share of the symbols that become key; the rest of a finite block is disclosed."""
        return np.asarray(1.0 if self.block_size == math.inf else 1.0 - self.estimation_share)

    @property
    def sifted_per_block(self) -> float:
        """Symbols of a block that become key; infinite where the key is asymptotic."""
        return self.block_size * float(self.sifted_per_detection)

    @property
    def qber_threshold(self) -> F64:
        """Excess noise, divided by 8, at which the asymptotic key vanishes without loss."""

        def key_left(qber: F64) -> ArrayLike:
            return self.secret_fraction(1.0, NOISE_PER_ERROR * qber) > 0.0

        return bisect(key_left, 0.0, 0.5, 50)[0]

    def channel(self, transmittance: ArrayLike) -> tuple[F64, F64]:
        """Transmittance and excess noise that the stations find, misalignment included.

        Args:
            transmittance: Transmittance of the fibre, in [0, 1], any shape.

        Returns:
            Two arrays: the dimmed transmittance, and the excess noise in shot noise units.

        Raises:
            InvalidInput: If a transmittance is outside [0, 1] or does not broadcast.
        """
        eta = self._checked(transmittance)
        error = np.asarray(self.misalignment)
        attack = np.maximum(error - self.tracked_misalignment, 0.0)
        t = eta * (1.0 - (error - attack))
        noise = np.asarray(self.excess_noise) + NOISE_PER_ERROR * attack
        t, noise = np.broadcast_arrays(t, noise)
        return t, noise

    def _evaluate(self, eta: F64) -> LinkBudget:
        t, noise = self.channel(eta)
        finite = self.block_size != math.inf
        key = self._finite(t, noise) if finite else self.secret_fraction(t, noise)
        # A key below the rounding of the entropies, whose difference it is, is none.
        rounding = 100.0 * float(np.finfo(np.longdouble).eps)
        key = np.where(key > rounding * (1.0 + np.asarray(self.modulation_variance)), key, 0.0)
        qber = np.minimum(noise / NOISE_PER_ERROR, 0.5)
        return self._budget(1.0, qber, np.nan, np.nan, np.where(qber < 0.5, key, 0.0))

    def mutual_information(self, transmittance: ArrayLike, excess_noise: ArrayLike) -> F64:
        """Bits per symbol that Alice and Bob share.

        Args:
            transmittance: Transmittance of the channel, in [0, 1], any shape.
            excess_noise: Excess noise of the channel in shot noise units, in [0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        t, xi, detector = self._receiver(transmittance, excess_noise)
        snr = np.asarray(self.modulation_variance) * t / (1.0 + t * xi + detector)
        bits = np.log1p(snr) / np.log(2.0)
        return np.asarray(bits / 2.0 if self.detection == "homodyne" else bits)

    def _receiver(self, transmittance: ArrayLike, excess_noise: ArrayLike) -> tuple[F64, F64, F64]:
        """Channel as the eavesdropper holds it, and the noise of the detector at its input."""
        xi = checked("excess_noise", excess_noise, 0.0, MAX_NOISE)
        t = self._checked(transmittance, excess_noise=xi)
        eta, electronic = np.asarray(self.efficiency), np.asarray(self.electronic_noise)
        double = self.detection == "heterodyne"
        if self.trusted_detector:
            return t, xi, (1.0 - eta + electronic + double * (1.0 + electronic)) / eta
        t = t * eta
        added = electronic * (1.0 + double)
        return t, xi + added / np.maximum(t, 1e-300), np.asarray(float(double))

    def holevo_information(self, transmittance: ArrayLike, excess_noise: ArrayLike) -> F64:
        """Bits per symbol of Bob's results that the eavesdropper can know.

        Args:
            transmittance: Transmittance of the channel, in [0, 1], any shape.
            excess_noise: Excess noise of the channel in shot noise units, in [0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        # Entropies of order 1 differ by the transmittance: extended precision, where the machine
        # has it, keeps six digits of the difference beyond 300 km.
        receiver = self._receiver(transmittance, excess_noise)
        t, xi, noise = (np.asarray(value, dtype=np.longdouble) for value in receiver)
        va = np.asarray(self.modulation_variance, dtype=np.longdouble)
        v = 1.0 + va
        line = 1.0 - t + t * xi  # T chi_line
        bob = t * v + line
        root_b = v * line + t
        difference = t * xi - (1.0 - t) * va
        modulated = 2.0 * t * va * (v + 1.0)
        total = np.sqrt((v + bob) ** 2 - 2.0 * modulated)
        first = (total + np.abs(difference)) / 2.0
        a = v**2 + bob**2 - modulated
        if self.detection == "homodyne":
            scale = bob + noise
            c = (a * noise + v * root_b + bob) / scale
            d = root_b * (v + root_b * noise) / scale
        else:
            scale = (bob + noise) ** 2
            mixed = 2.0 * noise * (v * root_b + bob)
            c = (a * noise**2 + root_b**2 + 1.0 + mixed + modulated) / scale
            d = (v + root_b * noise) ** 2 / scale
        third = np.sqrt((c + np.sqrt(np.maximum(c**2 - 4.0 * d, 0.0))) / 2.0)
        # The smaller of each pair from the product, which does not cancel.
        known = _g(first) + _g(root_b / first)
        return np.asarray(known - _g(third) - _g(np.sqrt(d) / third), dtype=np.float64)

    def secret_fraction(self, transmittance: ArrayLike, excess_noise: ArrayLike) -> F64:
        """Asymptotic key beta I_AB - chi_BE in bits per symbol; negative where there is none.

        Args:
            transmittance: Transmittance of the channel, in [0, 1], any shape.
            excess_noise: Excess noise of the channel in shot noise units, in [0, 100]; broadcasts.

        Raises:
            InvalidInput: If an argument is out of range or does not broadcast.
        """
        shared = self.mutual_information(transmittance, excess_noise)
        known = self.holevo_information(transmittance, excess_noise)
        return np.asarray(self.reconciliation_efficiency * shared - known)

    def _finite(self, t: F64, xi: F64) -> F64:
        estimated = self.estimation_share * self.block_size
        n = self.block_size - estimated
        eta = np.asarray(self.efficiency)
        variance = 1.0 + self.electronic_noise + eta * t * xi
        amplitude = np.sqrt(eta * t)
        # 6.5 standard deviations are exceeded with probability 1e-10.
        low = amplitude - 6.5 * np.sqrt(variance / (estimated * self.modulation_variance))
        worst_variance = variance * (1.0 + 6.5 * math.sqrt(2.0 / estimated))
        worst_t = np.maximum(low, 0.0) ** 2 / eta
        excess = worst_variance - 1.0 - self.electronic_noise
        worst_xi = excess / np.maximum(eta * worst_t, 1e-300)
        eps = self.failure_probability
        delta = 7.0 * math.sqrt(math.log2(2.0 / eps) / n) + 2.0 / n * math.log2(1.0 / eps)
        known = self.holevo_information(worst_t, np.minimum(worst_xi, MAX_NOISE))
        shared = self.reconciliation_efficiency * self.mutual_information(t, xi)
        key = n / self.block_size * (shared - known - delta)
        return np.where((low > 0.0) & (worst_xi < MAX_NOISE), key, 0.0)

    def _sample(self, eta: F64, pulses: I64, rng: np.random.Generator) -> Counts:
        """Counts of an interval; all symbols are detected.

        The errors are the estimated excess noise as a QBER (see the class) times the sifted
        symbols. The estimate comes from a sample variance, whose chi-square law is drawn exactly.
        """
        sent, t, xi = np.broadcast_arrays(pulses, *self.channel(eta))
        estimated = np.maximum(np.rint(sent * self.estimation_share), 1.0)
        scale = np.asarray(self.efficiency) * t
        floor = 1.0 + np.asarray(self.electronic_noise)
        measured = (floor + scale * xi) * rng.chisquare(estimated) / estimated
        noise = np.maximum(measured - floor, 0.0) / np.maximum(scale, 1e-300)
        share = np.minimum(noise / NOISE_PER_ERROR, 0.5)
        sifted = np.floor(sent * self.sifted_per_detection).astype(np.int64)
        errors = np.rint(sifted * share).astype(np.int64)
        return Counts(sent.copy(), sent.copy(), sifted, errors)


def _g(eigenvalue: Extended) -> Extended:
    """Entropy in bits of a thermal state with this symplectic eigenvalue."""
    x = np.maximum((eigenvalue - 1.0) / 2.0, 0.0)
    own = x * np.log(np.where(x > 0.0, x, 1.0))
    return np.asarray(((x + 1.0) * np.log1p(x) - own) / np.log(np.longdouble(2.0)))
