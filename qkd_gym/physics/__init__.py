"""What one quantum link does: vectorised functions of numpy arrays."""

from __future__ import annotations

from qkd_gym.physics.attacks import intercept_resend_qber
from qkd_gym.physics.channel import Fiber, FreeSpace
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.limits import plob_bound
from qkd_gym.physics.presets import available_presets, preset
from qkd_gym.physics.protocols.b92 import B92
from qkd_gym.physics.protocols.base import LinkBudget, Protocol
from qkd_gym.physics.protocols.bb84 import BB84
from qkd_gym.physics.protocols.bbm92 import BBM92
from qkd_gym.physics.protocols.cvqkd import CVQKD
from qkd_gym.physics.protocols.e91 import E91
from qkd_gym.physics.protocols.mdi import MDI
from qkd_gym.physics.sampling import Counts

__all__ = [
    "B92",
    "BB84",
    "BBM92",
    "CVQKD",
    "E91",
    "MDI",
    "Counts",
    "Detector",
    "Fiber",
    "FreeSpace",
    "LinkBudget",
    "Protocol",
    "available_presets",
    "intercept_resend_qber",
    "plob_bound",
    "preset",
]
