"""The photon-number-splitting attack against a sum over photon numbers."""

import numpy as np
import pytest
from scipy import stats

from qkd_gym.physics import BB84, Detector, photon_number_splitting

DARK = 2e-3  # per detector: as many clicks without light as the far receiver has with light
ATTENUATION = 3e-3


def clicks(photons, transmittance):
    """Click probability of a pulse of so many photons, before a receiver of efficiency 1."""
    return 1.0 - (1.0 - DARK) ** 2 * (1.0 - transmittance) ** photons


def gain(mu, click_of):
    """Clicks per pulse of mean photon number ``mu``, summed over the photons of a pulse."""
    photons = np.arange(60)
    return (stats.poisson.pmf(photons, mu) * [click_of(n) for n in photons]).sum()


@pytest.mark.parametrize("mu", [0.2, 0.5, 1.2])
@pytest.mark.parametrize("nu", [0.05, 0.15])
def test_splitting_keeps_the_signal_and_changes_the_decoy(mu, nu):
    """Empty pulses and single photons reach nobody, and click by noise alone."""
    detector = Detector(efficiency=1.0, dark_count_probability=DARK)
    link = BB84(detector=detector, mean_photon_number=mu, decoy_photon_number=nu)
    attack = photon_number_splitting(link, ATTENUATION)

    def attacked(photons):
        return clicks(0, 0.0) if photons < 2 else float(attack.multi_photon_yield)

    def clear(photons):
        return clicks(photons, ATTENUATION)

    assert gain(mu, attacked) == pytest.approx(gain(mu, clear), rel=1e-9)
    assert attack.decoy_gain == pytest.approx(gain(nu, attacked), rel=1e-9)
    assert attack.decoy_ratio == pytest.approx(gain(nu, attacked) / gain(nu, clear), rel=1e-9)
    assert attack.feasible == (attack.multi_photon_yield <= 1.0)
