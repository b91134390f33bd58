"""Stray photons that reach the detectors, as means per gate.

Means of independent light add: `Detector.with_stray_light` takes them, one after the other or as a
sum, and the detector turns the total into a click probability once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import Planck, speed_of_light

from qkd_gym.errors import require_between
from qkd_gym.physics.entropy import F64

# Spectral radiance of the sky, W m^-2 sr^-1 um^-1. Source: Er-long et al., NJP 7, 215 (2005).
SKY_RADIANCE = {
    "moonless": 1.5e-5,
    "full moon": 1.5e-3,
    "clear day": 1.5,
    "hazy day": 15.0,
    "cloudy day": 150.0,
}


def photons_per_gate(power_w: ArrayLike, gate_s: float, wavelength_nm: float) -> F64:
    """Mean number of photons of a continuous power in a gate, P dt lambda / (h c).

    Raises:
        InvalidInput: If an argument is negative.
    """
    require_between("power_w", power_w, 0.0, unit="W")
    require_between("gate_s", gate_s, 0.0, unit="s")
    require_between("wavelength_nm", wavelength_nm, 0.0, low_open=True, unit="nm")
    energy = Planck * speed_of_light / (wavelength_nm * 1e-9)
    return np.asarray(np.asarray(power_w, dtype=np.float64) * gate_s / energy)


def raman_power_w(
    length_km: ArrayLike,
    launch_power_w: float,
    filter_nm: float,
    attenuation_db_per_km: float = 0.2,
    cross_section_per_km_nm: float = 2.5e-9,
    backward: bool = False,
) -> F64:
    """Power that a classical channel in the same fibre scatters into the quantum channel.

    Forward: P_out L rho dlambda. Backward: P_in (1 - exp(-2 a L)) / (2 a) rho dlambda.

    Args:
        length_km: Length of fibre shared, any shape.
        launch_power_w: Power at the classical channel's input.
        filter_nm: Bandwidth of the receiver's filter.
        attenuation_db_per_km: Of the fibre.
        cross_section_per_km_nm: rho, 2 to 3e-9 per km and nm around 1550 nm.
        backward: Whether the classical channel runs against the quantum channel.

    Returns:
        Power in W at the end of the fibre, of ``length_km``'s shape.

    Source: Eraerds, Walenta, Legre, Gisin, Zbinden, NJP 12, 063027 (2010), Eqs. 4 and 5.

    Raises:
        InvalidInput: If an argument is negative.
    """
    require_between("length_km", length_km, 0.0, unit="km")
    require_between("launch_power_w", launch_power_w, 0.0, unit="W")
    require_between("filter_nm", filter_nm, 0.0, unit="nm")
    require_between(
        "attenuation_db_per_km", attenuation_db_per_km, 0.0, low_open=True, unit="dB/km"
    )
    require_between("cross_section_per_km_nm", cross_section_per_km_nm, 0.0)
    length = np.asarray(length_km, dtype=np.float64)
    per_km = attenuation_db_per_km * np.log(10.0) / 10.0
    strength = launch_power_w * cross_section_per_km_nm * filter_nm
    if backward:
        return np.asarray(-np.expm1(-2.0 * per_km * length) / (2.0 * per_km) * strength)
    return np.asarray(np.exp(-per_km * length) * length * strength)


def sky_photons(
    radiance: ArrayLike,
    field_of_view_sr: float,
    aperture_radius_m: float,
    filter_nm: float,
    gate_s: float,
    wavelength_nm: float = 850.0,
) -> F64:
    """Mean number of photons per gate that a telescope collects from the sky.

    Args:
        radiance: Spectral radiance in W m^-2 sr^-1 um^-1; `SKY_RADIANCE` has typical values.
        field_of_view_sr: Solid angle the receiver sees.
        aperture_radius_m: Radius of the telescope.
        filter_nm: Bandwidth of the filter.
        gate_s: Length of the gate.
        wavelength_nm: Centre of the filter.

    Source: Er-long et al., NJP 7, 215 (2005), Eq. 1.

    Raises:
        InvalidInput: If an argument is negative.
    """
    for name, value in (
        ("radiance", radiance),
        ("field_of_view_sr", field_of_view_sr),
        ("aperture_radius_m", aperture_radius_m),
        ("filter_nm", filter_nm),
    ):
        require_between(name, value, 0.0)
    area = np.pi * aperture_radius_m**2
    power = np.asarray(radiance, dtype=np.float64) * field_of_view_sr * area * filter_nm * 1e-3
    return photons_per_gate(power, gate_s, wavelength_nm)
