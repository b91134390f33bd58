"""Extinction of air over the whole range of visibility, Kim et al., Proc. SPIE 4214 (2001)."""

import math

import pytest

from qkd_gym.physics import FreeSpace


@pytest.mark.parametrize(
    ("visibility_km", "exponent"),
    [
        (0.3, 0.0),
        (0.5, 0.0),
        (0.8, 0.3),
        (1.0, 0.5),
        (1.5, 0.58),
        (6.0, 1.3),
        (7.0, 1.3),
        (50.0, 1.3),
        (51.0, 1.6),
    ],
)
def test_exponent_of_the_wavelength(visibility_km, exponent):
    air = FreeSpace(visibility_km=visibility_km, wavelength_nm=1100.0)
    per_km = 3.912 / visibility_km * 2.0**-exponent
    assert air.extinction_db_per_km() == pytest.approx(10 / math.log(10) * per_km, rel=1e-9)


def test_losses_of_a_path_multiply():
    """Aperture, jitter, air and optics at 3 km, each by its formula."""
    link = FreeSpace(
        wavelength_nm=1000.0, beam_waist_m=0.04, receiver_radius_m=0.06, pointing_jitter_urad=8.0,
        visibility_km=10.0, fixed_loss_db=2.0,
    )  # fmt: skip
    width2 = 0.04**2 + (1e-6 * 3000.0 / (math.pi * 0.04)) ** 2
    aperture = 1.0 - math.exp(-2.0 * 0.06**2 / width2)
    jitter = width2 / (width2 + 4.0 * (8e-6 * 3000.0) ** 2)
    air = math.exp(-3.912 / 10.0 * (1000.0 / 550.0) ** -1.3 * 3.0)
    expected = aperture * jitter * air * 10.0**-0.2
    assert link.transmittance(3.0) == pytest.approx(expected, rel=1e-9)
    assert link.loss_db(3.0) == pytest.approx(-10.0 * math.log10(expected), rel=1e-9)
