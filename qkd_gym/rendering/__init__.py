"""Episodes as pictures, in a window, as text and as a video."""

from qkd_gym.rendering.options import RenderOptions
from qkd_gym.rendering.renderer import RENDER_FPS, RENDER_MODES, Renderer
from qkd_gym.rendering.saving import require_video, write_picture, write_video
from qkd_gym.rendering.scene import KnownFaults, LinkState, Scene, scene_of
from qkd_gym.rendering.window import Window

__all__ = [
    "RENDER_FPS",
    "RENDER_MODES",
    "KnownFaults",
    "LinkState",
    "RenderOptions",
    "Renderer",
    "Scene",
    "Window",
    "require_video",
    "scene_of",
    "write_picture",
    "write_video",
]
