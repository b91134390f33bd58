"""The network as a picture."""

from qkd_gym.rendering.draw import draw_network, to_rgb_array
from qkd_gym.rendering.snapshot import Snapshot, snapshot

__all__ = ["Snapshot", "draw_network", "snapshot", "to_rgb_array"]
