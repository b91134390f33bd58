"""What one quantum link does: vectorised functions of numpy arrays."""

from qkd_gym.physics.attacks import (
    blinding,
    detection_probability,
    fiber_cut,
    intercept_resend_chsh,
    intercept_resend_qber,
    jam,
    photon_number_splitting,
)
from qkd_gym.physics.blocks import BlockCounts
from qkd_gym.physics.channel import Fiber, FreeSpace, plob_bound
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.finite_key import FiniteKey, one_decoy_key, two_decoy_key
from qkd_gym.physics.noise import SKY_RADIANCE, photons_per_gate, raman_power_w, sky_photons
from qkd_gym.physics.presets import available_presets, preset, register_preset
from qkd_gym.physics.protocols.b92 import B92
from qkd_gym.physics.protocols.base import LinkBudget, Protocol
from qkd_gym.physics.protocols.bb84 import BB84
from qkd_gym.physics.protocols.bbm92 import BBM92
from qkd_gym.physics.protocols.cvqkd import CVQKD
from qkd_gym.physics.protocols.e91 import E91
from qkd_gym.physics.protocols.mdi import MDI
from qkd_gym.physics.sampling import Counts
from qkd_gym.physics.turbulence import (
    fading_average,
    gamma_gamma_fading,
    log_normal_fading,
    rytov_variance,
)

__all__ = [
    "B92",
    "BB84",
    "BBM92",
    "CVQKD",
    "E91",
    "MDI",
    "SKY_RADIANCE",
    "BlockCounts",
    "Counts",
    "Detector",
    "Fiber",
    "FiniteKey",
    "FreeSpace",
    "LinkBudget",
    "Protocol",
    "available_presets",
    "blinding",
    "detection_probability",
    "fading_average",
    "fiber_cut",
    "gamma_gamma_fading",
    "intercept_resend_chsh",
    "intercept_resend_qber",
    "jam",
    "log_normal_fading",
    "one_decoy_key",
    "photon_number_splitting",
    "photons_per_gate",
    "plob_bound",
    "preset",
    "raman_power_w",
    "register_preset",
    "rytov_variance",
    "sky_photons",
    "two_decoy_key",
]
