"""Transmittance of optical channels, and the key that no protocol can exceed on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.fields import check_fields, integer, number
from qkd_gym.physics.numerics import F64, checked_length_km, checked_transmittance

MAX_LOSS_DB = 1e4
"""Largest loss of anything, in dB or dB/km: it leaves no photon of any source."""


def transmittance_of(loss_db: ArrayLike) -> F64:
    """Transmittance 10^(-loss/10) of a loss in dB, element by element."""
    return np.asarray(10.0 ** (-np.asarray(loss_db, dtype=np.float64) / 10.0))


def plob_bound(transmittance: ArrayLike) -> F64:
    """Secret key capacity -log2(1 - eta) of a lossy channel without repeaters, in bits per mode.

    The transmittance eta may have any shape; the bound is infinite where it is 1.

    Raises:
        InvalidInput: If a transmittance is outside [0, 1].

    Source: Pirandola, Laurenza, Ottaviani, Banchi, Nat. Commun. 8, 15043 (2017).
    """
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log1p(-checked_transmittance(transmittance)) / np.log(2.0))


@dataclass(frozen=True)
class Fiber:
    """An optical fibre.

    Attributes:
        attenuation_db_per_km: Attenuation in dB/km; 0.2 is standard fibre at 1550 nm.
        fixed_loss_db: Loss of switches and filters in dB, whatever the length.
        connectors: Number of connectors.
        connector_loss_db: Loss of one connector, typically 0.25 to 0.5 dB.
        splices_per_km: Mean number of splices per kilometre.
        splice_loss_db: Loss of one splice, typically 0.02 to 0.1 dB.
    """

    attenuation_db_per_km: float = number(0.2, 0.0, MAX_LOSS_DB, unit="dB/km")
    fixed_loss_db: float = number(0.0, 0.0, MAX_LOSS_DB, unit="dB")
    connectors: int = integer(0, 0, 1_000_000)
    connector_loss_db: float = number(0.3, 0.0, MAX_LOSS_DB, unit="dB")
    splices_per_km: float = number(0.0, 0.0, 1e4, unit="per km")
    splice_loss_db: float = number(0.05, 0.0, MAX_LOSS_DB, unit="dB")

    def __post_init__(self) -> None:
        check_fields(self)

    def loss_db(self, length_km: ArrayLike) -> F64:
        """Channel loss in dB of fibres with these lengths in km, in ``length_km``'s shape.

        Raises:
            InvalidInput: If a length is outside [0, 1e6].
        """
        length = checked_length_km(length_km)
        per_km = self.attenuation_db_per_km + self.splices_per_km * self.splice_loss_db
        fixed = self.fixed_loss_db + self.connectors * self.connector_loss_db
        return np.asarray(per_km * length + fixed)

    def transmittance(self, length_km: ArrayLike) -> F64:
        """Channel transmittance 10^(-loss/10) without the receiver, in ``length_km``'s shape.

        Raises:
            InvalidInput: If a length is outside [0, 1e6].
        """
        return transmittance_of(self.loss_db(length_km))


@dataclass(frozen=True)
class FreeSpace:
    """A horizontal free-space path in homogeneous air.

    Attributes:
        wavelength_nm: Wavelength of the light in nm.
        beam_waist_m: 1/e^2 radius of the Gaussian beam at the transmitter in m.
        receiver_radius_m: Radius of the receiver's aperture in m.
        pointing_jitter_urad: Standard deviation of the pointing error per axis in microradians.
        visibility_km: Meteorological visibility in km; below 0.5 km is dense fog.
        fixed_loss_db: Loss of the optics in dB.
    """

    wavelength_nm: float = number(850.0, 100.0, 1e5, unit="nm")
    beam_waist_m: float = number(0.05, 1e-6, 100.0, unit="m")
    receiver_radius_m: float = number(0.1, 1e-6, 100.0, unit="m")
    pointing_jitter_urad: float = number(1.0, 0.0, 1e6, unit="urad")
    visibility_km: float = number(23.0, 1e-3, 1e6, unit="km")
    fixed_loss_db: float = number(1.0, 0.0, MAX_LOSS_DB, unit="dB")

    def __post_init__(self) -> None:
        check_fields(self)

    def extinction_db_per_km(self) -> float:
        """Extinction of haze and fog in dB/km.

        Source: Kim, McArthur, Korevaar, Proc. SPIE 4214, 26 (2001).
        """
        v = self.visibility_km
        ranges = [v > 50.0, v > 6.0, v > 1.0, v > 0.5]
        exponent = float(np.select(ranges, [1.6, 1.3, 0.16 * v + 0.34, v - 0.5]))
        per_km = 3.912 / v * (self.wavelength_nm / 550.0) ** -exponent
        return float(10.0 / np.log(10.0) * per_km)

    def transmittance(self, length_km: ArrayLike) -> F64:
        """Mean channel transmittance over paths of these lengths in km, in ``length_km``'s shape.

        The product of the share of a Gaussian beam that the aperture collects, of the mean loss
        by pointing jitter (small against the beam), of extinction and of the optics.

        Raises:
            InvalidInput: If a length is outside [0, 1e6].
        """
        length_m = 1e3 * checked_length_km(length_km)
        rayleigh_m = np.pi * self.beam_waist_m**2 / (1e-9 * self.wavelength_nm)
        width2 = self.beam_waist_m**2 * (1.0 + np.square(length_m / rayleigh_m))
        collected = -np.expm1(-2.0 * self.receiver_radius_m**2 / width2)
        jitter2 = np.square(1e-6 * self.pointing_jitter_urad * length_m)
        pointing = width2 / (width2 + 4.0 * jitter2)
        fixed = self.fixed_loss_db + self.extinction_db_per_km() * 1e-3 * length_m
        return np.asarray(collected * pointing * transmittance_of(fixed))

    def loss_db(self, length_km: ArrayLike) -> F64:
        """Channel loss in dB over paths of these lengths in km, in ``length_km``'s shape.

        At most 3,000 dB, beyond which a transmittance has no floating-point number.

        Raises:
            InvalidInput: If a length is outside [0, 1e6].
        """
        return np.asarray(-10.0 * np.log10(np.maximum(self.transmittance(length_km), 1e-300)))
