"""Pictures and tables of the episodes of a simulator, for environments and whoever plays them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import require_choice
from qkd_gym.network.simulator import Simulator
from qkd_gym.rendering.options import RenderOptions
from qkd_gym.rendering.past import Past
from qkd_gym.rendering.picture import Picture
from qkd_gym.rendering.scene import Scene, scene_of
from qkd_gym.rendering.table import text_of
from qkd_gym.rendering.window import Window

RENDER_MODES = ("human", "rgb_array", "ansi")
RENDER_FPS = 10
_MOST_SHOWN = 9  # episodes of a batch that a window shows

Members = Sequence[int] | NDArray[np.integer]


class Renderer:
    """Shows the episodes of a simulator.

    Their shares, and the path of a request, are in no state: whoever steps the simulator tells
    `start` and `step` what happens. It keeps no simulator, so that whoever has both can be copied.

    Args:
        mode: One of `RENDER_MODES`.
        options: How pictures look.
        batch: Number of episodes of the simulator.

    Raises:
        InvalidInput: On an unknown mode.
        MissingExtra: If what the mode needs is not installed.
    """

    def __init__(self, mode: str, options: RenderOptions, batch: int = 1) -> None:
        require_choice("render_mode", mode, RENDER_MODES)
        self._batch, self._past = batch, Past(batch)
        self._picture = None if mode == "ansi" else Picture(options)
        self._window = Window(RENDER_FPS) if mode == "human" else None

    def start(self, simulator: Simulator, members: Members = (0,)) -> None:
        """Tells that these episodes have started, or go on from elsewhere."""
        self._past.start(simulator, members)
        self._show(simulator)

    def step(
        self, simulator: Simulator, accounts: NDArray[np.int64], actions: NDArray[np.integer]
    ) -> None:
        """Tells of a step of all episodes; those that have ended may have made room for others.

        Args:
            simulator: The episodes.
            accounts: Accounts of the step, (len(ACCOUNT), B).
            actions: Actions, (B,) or (B, 2), paths first where they are decided.
        """
        self._past.add(simulator, accounts, actions.reshape(len(actions), -1)[:, 0])
        self._show(simulator)

    def scene(self, simulator: Simulator, member: int = 0) -> Scene:
        """What there is to be seen of an episode."""
        return scene_of(simulator, member, self._past)

    def render(self, simulator: Simulator, member: int = 0) -> NDArray[np.uint8] | str | None:
        """An episode as `gymnasium.Env.render` gives it in this mode.

        Returns:
            A picture, (height, width, 3), or a table; None in a window.
        """
        if self._window is not None:
            return None
        scene = self.scene(simulator, member)
        return text_of(scene) if self._picture is None else self._picture.draw(scene)

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window is not None:
            self._window.close()

    def _show(self, simulator: Simulator) -> None:
        """Shows the first episodes in the window, if there is one."""
        if self._window is not None and self._picture is not None:
            members = range(min(self._batch, _MOST_SHOWN))
            frames = [self._picture.draw(self.scene(simulator, member)) for member in members]
            self._window.show(tiled(frames))


def tiled(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures of one size, (height, width, 3), side by side and below each other."""
    columns = math.ceil(math.sqrt(len(frames)))
    blank = np.full_like(frames[0], 255)
    filled = [*frames, *[blank] * (-len(frames) % columns)]
    rows = [np.hstack(filled[at : at + columns]) for at in range(0, len(filled), columns)]
    return np.vstack(rows)
