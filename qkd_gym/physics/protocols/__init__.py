"""Protocols: from transmittance to gain, QBER and secret key rate."""

from qkd_gym.physics.protocols.base import Counts, LinkBudget, Protocol
from qkd_gym.physics.protocols.bb84 import BB84

__all__ = ["BB84", "Counts", "LinkBudget", "Protocol"]
