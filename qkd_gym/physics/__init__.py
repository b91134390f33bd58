"""What one quantum link does: pure, vectorised functions of numpy arrays."""

from qkd_gym.physics.attacks import intercept_resend_qber
from qkd_gym.physics.channel import Fiber, FreeSpace
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.limits import plob_bound
from qkd_gym.physics.presets import available_presets, preset
from qkd_gym.physics.protocols import BB84, Counts, LinkBudget, Protocol

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
