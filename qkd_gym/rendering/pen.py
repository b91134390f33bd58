"""Lines, marks and letters on a Pillow image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.rendering import colours
from qkd_gym.rendering.layout import Box

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Colour = str | tuple[int, ...]
_DASH, _GAP = 6.0, 4.0
_TIE, _THIN = 8.0, 1.2  # between ties; width of ties and rails


class Text(NamedTuple):
    """Words on a picture.

    Attributes:
        words: The words.
        box: Where they are, in pixels.
        size: Size of the letters in pixels.
        colour: Their colour.
        bold: Whether they are bold.
    """

    words: str
    box: Box
    size: int
    colour: str = colours.INK
    bold: bool = False


class Pen:
    """Draws on an image that is larger than what will be seen of it.

    Args:
        image: The image.
        scale: Its pixels per pixel of what will be seen: all arguments are in the latter.
        unit: Size of what has a width in pixels of what will be seen.
    """

    def __init__(self, image: Image, scale: int, unit: float) -> None:
        from PIL import ImageDraw

        self._draw, self._scale, self._unit = ImageDraw.Draw(image), scale, unit

    def line(self, ends: NDArray[np.float64], colour: Colour, width: float) -> None:
        """A straight line between the rows of (2, 2)."""
        points = (ends * self._scale).ravel().tolist()
        self._draw.line(points, colour, max(1, round(width * self._unit * self._scale)))

    def dashes(self, ends: NDArray[np.float64], colour: Colour, width: float) -> None:
        """A dashed line between the rows of (2, 2)."""
        length = float(np.linalg.norm(ends[1] - ends[0])) / self._unit
        count = max(1, round((length + _GAP) / (_DASH + _GAP)))
        starts = np.arange(count) / count
        share = _DASH / (_DASH + _GAP) / count
        for start in starts:
            cut = np.array([[start], [start + share]])
            self.line(ends[0] + cut * (ends[1] - ends[0]), colour, width)

    def rails(self, ends: NDArray[np.float64], colour: Colour, reach: float) -> None:
        """Thin lines on both sides of that between the rows of (2, 2)."""
        aside = self._aside(ends, reach)
        for moved in (ends - aside, ends + aside):
            self.line(moved, colour, _THIN)

    def ties(self, ends: NDArray[np.float64], colour: Colour, reach: float) -> None:
        """Thin lines across that between the rows of (2, 2), at equal distances."""
        aside = self._aside(ends, reach)
        length = float(np.linalg.norm(ends[1] - ends[0])) / self._unit
        count = max(1, round(length / _TIE))
        for share in (np.arange(count) + 0.5) / count:
            middle = ends[0] + share * (ends[1] - ends[0])
            self.line(np.stack([middle - aside, middle + aside]), colour, _THIN)

    def dot(
        self,
        middle: Sequence[float] | NDArray[np.float64],
        radius: float,
        colour: Colour,
        rim: Colour | None = None,
        rim_width: float = 1.0,
    ) -> None:
        """A disc of a radius in pixels."""
        width = max(1, round(rim_width * self._unit * self._scale)) if rim is not None else 0
        self._draw.ellipse(self._around(middle, radius), colour, rim, width)

    def slice(
        self, middle: NDArray[np.float64], radius: float, share: float, colour: Colour
    ) -> None:
        """A sector of a disc, from the top clockwise."""
        if share > 0.0:
            box = self._around(middle, radius)
            self._draw.pieslice(box, -90.0, -90.0 + 360.0 * min(share, 1.0), colour)

    def cross(self, middle: NDArray[np.float64], size: float, colour: Colour) -> None:
        """A cross on a white ground that sets it off from what lies below."""
        for ink, width in (("white", 4.5), (colour, 2.2)):
            reach = self._unit * (size + (1.0 if ink == "white" else 0.0))
            for slope in (1.0, -1.0):
                arm = reach * np.array([1.0, slope])
                self.line(np.stack([middle - arm, middle + arm]), ink, width)

    def bar(self, box: Sequence[float], colour: Colour) -> None:
        """A filled rectangle; one of no width is none."""
        left, top, right, bottom = (round(self._scale * side) for side in box)
        if right > left and bottom > top:
            self._draw.rectangle((left, top, right - 1, bottom - 1), colour)

    def _aside(self, ends: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
        """The way from a line to what lies so far beside it, (2,)."""
        x, y = ends[1] - ends[0]
        aside: NDArray[np.float64] = np.array([-y, x]) / max(np.hypot(x, y), 1e-9)
        return reach * self._unit * aside

    def _around(
        self, middle: Sequence[float] | NDArray[np.float64], radius: float
    ) -> tuple[float, float, float, float]:
        x, y, r = (self._scale * float(each) for each in (*middle, radius))
        return x - r, y - r, x + r, y + r


@lru_cache(maxsize=64)
def letters(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, in a size in pixels."""
    from PIL import ImageFont

    spec: Any = find_spec("matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name
    # The basic layout is the same wherever Pillow was built.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def text_size(words: str, font: FreeTypeFont) -> tuple[float, float]:
    """Width and height of words on one line."""
    ascent, descent = font.getmetrics()
    return float(font.getlength(words)), float(ascent + descent)


def write(image: Image, texts: list[Text], halo: int = 0) -> None:
    """Writes texts on an image, with a bright rim of so many pixels."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    for text in texts:
        place = (text.box.left + halo, text.box.top)
        font = letters(text.size, bold=text.bold)
        rim: dict[str, Any] = {"stroke_width": halo, "stroke_fill": "#ffffffd0"} if halo else {}
        draw.text(place, text.words, text.colour, font, **rim)
