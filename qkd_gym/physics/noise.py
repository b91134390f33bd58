"""Stray photons that reach the detectors, as means per gate.

Means of independent light add: `Detector.with_stray_light` takes them, one after the other or as a
sum, and the detector turns the total into a click probability once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import Planck, speed_of_light

from qkd_gym.errors import require_flag
from qkd_gym.physics.numerics import (
    F64,
    checked,
    checked_length_km,
    checked_wavelength_m,
    require_broadcast,
)

_MAX_POWER_W = 1e6

# Spectral radiance of the sky, W m^-2 sr^-1 um^-1. Source: Er-long et al., NJP 7, 215 (2005).
SKY_RADIANCE = {
    "moonless": 1.5e-5,
    "full moon": 1.5e-3,
    "clear day": 1.5,
    "hazy day": 15.0,
    "cloudy day": 150.0,
}


def photons_per_gate(power_w: ArrayLike, gate_s: float, wavelength_nm: float) -> F64:
    """Mean number of photons of a continuous power P in a gate, P dt lambda / (h c).

    P is in W, up to 1e6, and of any shape; the gate dt is in s, up to 1, and the wavelength lambda
    in nm. They broadcast.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.
    """
    power = checked("power_w", power_w, 0.0, _MAX_POWER_W, unit="W")
    gate = checked("gate_s", gate_s, 0.0, 1.0, unit="s")
    wavelength_m = checked_wavelength_m(wavelength_nm)
    require_broadcast({"power_w": power, "gate_s": gate, "wavelength_nm": wavelength_m})
    return np.asarray(power * gate / (Planck * speed_of_light / wavelength_m))


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
        length_km: Length L of the shared fibre in km, any shape.
        launch_power_w: Power P_in at the classical channel's input in W.
        filter_nm: Bandwidth dlambda of the receiver's filter in nm.
        attenuation_db_per_km: Attenuation a of the fibre in dB/km.
        cross_section_per_km_nm: Scattering rho, 2 to 3e-9 per km and nm around 1550 nm.
        backward: Whether the classical channel runs against the quantum channel.

    Returns:
        Power in W at the end of the fibre, of ``length_km``'s shape.

    Source: Eraerds, Walenta, Legre, Gisin, Zbinden, NJP 12, 063027 (2010), Eqs. 4 and 5.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.
    """
    length = checked_length_km(length_km)
    power = checked("launch_power_w", launch_power_w, 0.0, _MAX_POWER_W, unit="W")
    bandwidth = checked("filter_nm", filter_nm, 0.0, 1e5, unit="nm")
    fibre = checked("attenuation_db_per_km", attenuation_db_per_km, 1e-6, 1e4, unit="dB/km")
    cross_section = checked("cross_section_per_km_nm", cross_section_per_km_nm, 0.0, 1.0)
    require_flag("backward", backward)
    require_broadcast(
        {
            "length_km": length,
            "launch_power_w": power,
            "filter_nm": bandwidth,
            "attenuation_db_per_km": fibre,
            "cross_section_per_km_nm": cross_section,
        }
    )
    per_km = fibre * np.log(10.0) / 10.0
    strength = power * cross_section * bandwidth
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
        field_of_view_sr: Solid angle that the receiver sees in sr.
        aperture_radius_m: Radius of the telescope in m.
        filter_nm: Bandwidth of the filter in nm.
        gate_s: Length of the gate in s.
        wavelength_nm: Centre of the filter in nm.

    Source: Er-long et al., NJP 7, 215 (2005), Eq. 1.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast, or the sky would be
            brighter than 1e6 W.
    """
    radius = checked("aperture_radius_m", aperture_radius_m, 0.0, 100.0, unit="m")
    view = checked("field_of_view_sr", field_of_view_sr, 0.0, 4.0 * np.pi, unit="sr")
    bandwidth = checked("filter_nm", filter_nm, 0.0, 1e5, unit="nm")
    sky = checked("radiance", radiance, 0.0, 1e12)
    require_broadcast(
        {
            "radiance": sky,
            "field_of_view_sr": view,
            "aperture_radius_m": radius,
            "filter_nm": bandwidth,
        }
    )
    power = sky * view * (np.pi * radius**2) * bandwidth * 1e-3
    return photons_per_gate(power, gate_s, wavelength_nm)
