"""A window that shows one picture after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.extras import require_extra


class Window:
    """Opens with the first picture.

    Args:
        fps: Most pictures a second; who shows them faster waits.

    Raises:
        MissingExtra: If pygame is not installed.
    """

    def __init__(self, fps: int) -> None:
        require_extra("render", "pygame")
        self._fps = fps
        self._screen: Any = None
        self._clock: Any = None

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Shows a picture, (height, width, 3)."""
        import pygame

        if self._screen is None:
            pygame.display.init()
            pygame.display.set_caption("qkd-gym")
            self._screen = pygame.display.set_mode(frame.shape[1::-1])
            self._clock = pygame.time.Clock()
        image = pygame.image.frombuffer(frame.tobytes(), frame.shape[1::-1], "RGB")
        self._screen.blit(image, (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Closes the window, if it is open."""
        if self._screen is not None:
            import pygame

            pygame.display.quit()
            self._screen = self._clock = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens a window of its own."""
        return {**self.__dict__, "_screen": None, "_clock": None}
