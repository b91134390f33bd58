"""Transmittance of optical channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym.errors import require_between, require_integer

F64 = NDArray[np.float64]


def transmittance_of(loss_db: ArrayLike) -> F64:
    """Transmittance 10^(-loss/10) of a loss in dB, element by element."""
    return np.asarray(10.0 ** (-np.asarray(loss_db, dtype=np.float64) / 10.0))


@dataclass(frozen=True)
class Fiber:
    """An optical fibre.

    Attributes:
        attenuation_db_per_km: Attenuation; 0.2 dB/km is standard fibre at 1550 nm.
        fixed_loss_db: Loss of switches and filters, whatever the length.
        connectors: Number of connectors.
        connector_loss_db: Loss of each, typically 0.25 to 0.5 dB.
        splices_per_km: Mean number of splices per kilometre.
        splice_loss_db: Loss of each, typically 0.02 to 0.1 dB.
    """

    attenuation_db_per_km: float = 0.2
    fixed_loss_db: float = 0.0
    connectors: int = 0
    connector_loss_db: float = 0.3
    splices_per_km: float = 0.0
    splice_loss_db: float = 0.05

    def __post_init__(self) -> None:
        require_between("attenuation_db_per_km", self.attenuation_db_per_km, 0.0, unit="dB/km")
        require_integer("connectors", self.connectors, 0)
        require_between("splices_per_km", self.splices_per_km, 0.0)
        for name in ("fixed_loss_db", "connector_loss_db", "splice_loss_db"):
            require_between(name, getattr(self, name), 0.0, unit="dB")

    def loss_db(self, length_km: ArrayLike) -> F64:
        """Channel loss in dB of fibres with these lengths, in ``length_km``'s shape.

        Raises:
            InvalidInput: If a length is negative.
        """
        require_between("length_km", length_km, 0.0, unit="km")
        length = np.asarray(length_km, dtype=np.float64)
        per_km = self.attenuation_db_per_km + self.splices_per_km * self.splice_loss_db
        fixed = self.fixed_loss_db + self.connectors * self.connector_loss_db
        return np.asarray(per_km * length + fixed)

    def transmittance(self, length_km: ArrayLike) -> F64:
        """Channel transmittance 10^(-loss/10), without the receiver; shape of ``length_km``."""
        return transmittance_of(self.loss_db(length_km))


@dataclass(frozen=True)
class FreeSpace:
    """A horizontal free-space path in homogeneous air.

    Attributes:
        wavelength_nm: Wavelength.
        beam_waist_m: 1/e^2 radius of the Gaussian beam at the transmitter.
        receiver_radius_m: Radius of the receiver's aperture.
        pointing_jitter_urad: Standard deviation of the pointing error, per axis.
        visibility_km: Meteorological visibility; below 0.5 km is dense fog.
        fixed_loss_db: Loss of the optics.
    """

    wavelength_nm: float = 850.0
    beam_waist_m: float = 0.05
    receiver_radius_m: float = 0.1
    pointing_jitter_urad: float = 1.0
    visibility_km: float = 23.0
    fixed_loss_db: float = 1.0

    def __post_init__(self) -> None:
        for field in ("wavelength_nm", "beam_waist_m", "receiver_radius_m", "visibility_km"):
            require_between(field, getattr(self, field), 0.0, low_open=True)
        for field in ("pointing_jitter_urad", "fixed_loss_db"):
            require_between(field, getattr(self, field), 0.0)

    def extinction_db_per_km(self) -> float:
        """Extinction of haze and fog (Kim, McArthur and Korevaar, Proc. SPIE 4214, 2001)."""
        visibility = self.visibility_km
        if visibility > 50.0:
            exponent = 1.6
        elif visibility > 6.0:
            exponent = 1.3
        elif visibility > 1.0:
            exponent = 0.16 * visibility + 0.34
        elif visibility > 0.5:
            exponent = visibility - 0.5
        else:
            exponent = 0.0
        per_km = 3.912 / visibility * (self.wavelength_nm / 550.0) ** -exponent
        return float(10.0 / np.log(10.0) * per_km)

    def transmittance(self, length_km: ArrayLike) -> F64:
        """Mean channel transmittance over a path; shape of ``length_km``.

        The product of the share of a Gaussian beam that the aperture collects, of the mean loss
        by pointing jitter (small against the beam), of extinction and of the optics.

        Raises:
            InvalidInput: If a length is negative.
        """
        require_between("length_km", length_km, 0.0, unit="km")
        length_m = 1e3 * np.asarray(length_km, dtype=np.float64)
        rayleigh_m = np.pi * self.beam_waist_m**2 / (1e-9 * self.wavelength_nm)
        width2 = self.beam_waist_m**2 * (1.0 + np.square(length_m / rayleigh_m))
        collected = -np.expm1(-2.0 * self.receiver_radius_m**2 / width2)
        jitter2 = np.square(1e-6 * self.pointing_jitter_urad * length_m)
        pointing = width2 / (width2 + 4.0 * jitter2)
        fixed = self.fixed_loss_db + self.extinction_db_per_km() * 1e-3 * length_m
        return np.asarray(collected * pointing * transmittance_of(fixed))

    def loss_db(self, length_km: ArrayLike) -> F64:
        """Channel loss in dB; shape of ``length_km``."""
        return np.asarray(-10.0 * np.log10(self.transmittance(length_km)))
