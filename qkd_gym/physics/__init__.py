"""What one quantum link does: vectorised functions of numpy arrays."""

from __future__ import annotations

from qkd_gym.physics.attacks import intercept_resend_qber
from qkd_gym.physics.channel import Fiber, FreeSpace
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.limits import plob_bound
from qkd_gym.physics.presets import available_presets, preset
from qkd_gym.physics.protocols.base import LinkBudget, Protocol
from qkd_gym.physics.protocols.bb84 import BB84
from qkd_gym.physics.sampling import Counts

__all__ = [
    "BB84",
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
