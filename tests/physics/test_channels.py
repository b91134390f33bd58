"""Channels and attacks against published values."""

import numpy as np
import pytest

from qkd_gym.physics import Fiber, FreeSpace, intercept_resend_qber


def test_fiber():
    assert Fiber().transmittance(50.0) == pytest.approx(0.1)
    assert Fiber(fixed_loss_db=3.0).transmittance(35.0) == pytest.approx(0.1)
    assert Fiber().transmittance(np.ones((2, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("visibility_km", "wavelength_nm", "db_per_km"),
    [
        (23, 850, 0.4195),
        (23, 1550, 0.1921),
        (10, 850, 0.9647),
        (2, 850, 6.373),
        (2, 1550, 4.287),
        (0.5, 850, 33.98),
        (0.5, 1550, 33.98),
        (0.2, 1550, 84.95),
    ],
)
def test_kim_extinction(visibility_km, wavelength_nm, db_per_km):
    air = FreeSpace(visibility_km=visibility_km, wavelength_nm=wavelength_nm)
    assert air.extinction_db_per_km() == pytest.approx(db_per_km, rel=1e-3)


def test_free_space_falls_with_distance_and_stays_below_one():
    eta = FreeSpace().transmittance(np.linspace(0.0, 30.0, 200))
    assert (np.diff(eta) < 0).all()
    assert 0 < eta[-1] < eta[0] < 1


def test_intercept_resend():
    assert intercept_resend_qber(0.0, 1.0) == pytest.approx(0.25)
    assert intercept_resend_qber(0.015, 1.0) == pytest.approx(0.2575)
    assert intercept_resend_qber(0.015, 0.3918) == pytest.approx(0.11, abs=1e-4)
    assert intercept_resend_qber(0.5, 1.0) == 0.5
