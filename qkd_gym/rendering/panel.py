"""The panel beside the network: time, shares, and what lines and colours mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.rendering import colours
from qkd_gym.rendering.layout import Box
from qkd_gym.rendering.options import RenderOptions
from qkd_gym.rendering.pen import Pen, Text, letters, text_size
from qkd_gym.rendering.scene import LinkState, Scene
from qkd_gym.rendering.words import (
    ALARM,
    STATE_NAMES,
    WINDOW,
    fitted,
    literal,
    moment,
    percent,
    request_words,
)

# Lengths of a picture of 600 x 400 pixels, from the top where they are places.
WIDTH = 168
_PADDING, _LINE, _SYMBOL = 12, 16, 24
_TITLE, _TIME, _SHARE, _BLOCKED, _LEGEND, _RAMP, _SIGNS, _REQUEST = (
    12, 31, 54, 113, 138, 212, 258, 334,
)  # fmt: skip
_SMALL, _LARGE = 10, 22
_TITLE_LETTERS = ((12, True), (10, True), (9, False), (8, False))  # size, bold
_SCALES = {"pool": ("stored key / capacity", "0", "1"), "qber": ("QBER / its limit", "1", "0")}
_SAMPLE = colours.ramp(np.array([0.75]))[0]  # colour of a link in the legend
_SHOWN = (LinkState.ACTIVE, LinkState.CALIBRATING, LinkState.FAILED, LinkState.INACTIVE)


class Panel:
    """Lays out the panel of pictures of one size.

    Args:
        options: How pictures look.
        unit: Pixels per pixel of a picture of 600 x 400.
    """

    def __init__(self, options: RenderOptions, unit: float) -> None:
        self._options, self._unit = options, unit
        width = options.size[0]
        self.left = width - WIDTH * unit
        self._from, self._to = self.left + _PADDING * unit, width - _PADDING * unit

    def fixed_texts(self, scene: Scene) -> list[Text]:
        """What an episode does not change of what is written on the panel."""
        label, low, high = _SCALES[self._options.colour]
        found = [
            self._title(literal(self._options.title or scene.topology.name, 60)),
            self._text("delivered", _SHARE, colour=colours.MUTED),
            self._text("blocked", _BLOCKED, colour=colours.MUTED),
            self._text(label, _RAMP, colour=colours.MUTED),
            self._text(low, _RAMP + 25, colour=colours.MUTED),
            self._text(high, _RAMP + 25, colour=colours.MUTED, to_right=True),
        ]
        for row, state in enumerate(_SHOWN):
            found.append(self._text(STATE_NAMES[state], _LEGEND + row * _LINE, indent=_SYMBOL))
        for row, sign in enumerate(self._signs(scene)):
            found.append(self._text(sign, _SIGNS + row * _LINE, indent=_SYMBOL))
        if scene.decides_paths:
            found.append(self._text("last request", self._request_top(scene), indent=_SYMBOL))
        return found

    def live_texts(self, scene: Scene) -> list[Text]:
        """What is written anew on every picture."""
        sums = scene.sums
        found = [
            self._text(moment(scene), _TIME, colour=colours.MUTED),
            self._text(percent(sums.delivered_share), _SHARE + 14, _LARGE, bold=True),
            self._text(percent(sums.blocked_share), _BLOCKED, to_right=True),
        ]
        for row, state in enumerate(_SHOWN):
            count = str(scene.count(state))
            found.append(self._text(count, _LEGEND + row * _LINE, to_right=True))
        if scene.faults:
            signs = self._signs(scene)
            for sign, links in ((ALARM, scene.faults.alarmed), (WINDOW, scene.faults.announced)):
                top = _SIGNS + signs.index(sign) * _LINE
                found.append(self._text(str(links.sum()), top, to_right=True))
        if scene.request:
            for row, line in enumerate(request_words(scene, scene.request), 1):
                top = self._request_top(scene) + row * 14
                found.append(self._text(line, top, colour=colours.MUTED))
        return found

    def draw_legend(self, pen: Pen, scene: Scene) -> None:
        """Draws what lines and colours mean on the ground of the panel."""
        width, height = self._options.size
        pen.bar((self.left, 0, width, height), colours.PANEL)
        self._symbol_line(pen, _LEGEND, _SAMPLE, 4.0)
        self._symbol_line(pen, _LEGEND + _LINE, colours.CALIBRATING, 3.0, dashed=True)
        self._symbol_line(pen, _LEGEND + 2 * _LINE, colours.FAILED, 2.5)
        pen.cross(self._symbol(_LEGEND + 2 * _LINE)[1], 3.5, colours.FAILED)
        self._symbol_line(pen, _LEGEND + 3 * _LINE, colours.FAINT, 1.2)
        steps = np.linspace(self._from, self._to, 65)
        top = (_RAMP + 15) * self._unit
        shades = colours.ramp(np.linspace(0.0, 1.0, 64))
        for left, right, shade in zip(steps[:-1], steps[1:], shades, strict=True):
            pen.bar((left, top, right, top + 7 * self._unit), shade)
        for row, sign in enumerate(self._signs(scene)):
            self._draw_sign(pen, sign, _SIGNS + row * _LINE)
        if scene.decides_paths:
            self._symbol_line(pen, self._request_top(scene), colours.PATH, 9.0)

    def draw_bars(self, pen: Pen, scene: Scene) -> None:
        """Draws the time that has passed and the shares."""
        sums, past = scene.sums, min(scene.elapsed_s / scene.episode_s, 1.0)
        self._bar(pen, _TIME + 15, 3, 0.0, 1.0, colours.FAINT)
        self._bar(pen, _TIME + 15, 3, 0.0, past, colours.MUTED)
        self._bar(pen, _SHARE + 44, 9, 0.0, 1.0, colours.FAINT)
        if sums.offered:
            self._bar(pen, _SHARE + 44, 9, 0.0, sums.delivered_share, colours.DELIVERED)
            self._bar(pen, _SHARE + 44, 9, 1.0 - sums.blocked_share, 1.0, colours.BLOCKED)

    def _signs(self, scene: Scene) -> list[str]:
        air = ["free space"] if scene.topology.free_space.any() else []
        faults = [ALARM, WINDOW] if scene.faults else []
        return ["stored, inactive", "modules in use", *air, *faults]

    def _request_top(self, scene: Scene) -> int:
        """Top of the last request, below the signs."""
        return max(_REQUEST, _SIGNS + len(self._signs(scene)) * _LINE + 4)

    def _draw_sign(self, pen: Pen, sign: str, top: float) -> None:
        middle = self._symbol(top)[1]
        if sign == "stored, inactive":
            self._symbol_line(pen, top, colours.FAINT, 1.2)
            pen.dot(middle, 3.0 * self._unit, _SAMPLE)
        elif sign == "modules in use":
            draw_site(pen, middle, 5.0 * self._unit, 0.5)
        elif sign == "free space":
            self._symbol_line(pen, top, _SAMPLE, 4.0)
            self._symbol_line(pen, top, "white", 1.2)
        else:
            self._symbol_line(pen, top, colours.FAINT, 1.2)
            (draw_alarm if sign == ALARM else draw_window)(pen, self._symbol(top)[::2])

    def _bar(
        self, pen: Pen, top: float, height: float, first: float, last: float, colour: str
    ) -> None:
        """A part of a bar, from one share of its width to another."""
        left, right = (self._from + share * (self._to - self._from) for share in (first, last))
        pen.bar((left, top * self._unit, right, (top + height) * self._unit), colour)

    def _symbol(self, top: float) -> NDArray[np.float64]:
        """Left end, middle and right end of a symbol of the legend, (3, 2)."""
        y = (top + 0.62 * _SMALL) * self._unit
        x = self._from + self._unit * np.array([0.0, 9.0, 18.0])
        return np.column_stack([x, np.full(3, y)])

    def _symbol_line(
        self,
        pen: Pen,
        top: float,
        colour: str | tuple[int, ...],
        width: float,
        *,
        dashed: bool = False,
    ) -> None:
        (pen.dashes if dashed else pen.line)(self._symbol(top)[::2], colour, width)

    def _title(self, words: str) -> Text:
        """The first line, in the largest letters in which it is whole."""
        texts = [self._text(words, _TITLE, size, bold=bold) for size, bold in _TITLE_LETTERS]
        return next((text for text in texts if text.words == words), texts[-1])

    def _text(
        self,
        words: str,
        top: float,
        size: int = _SMALL,
        *,
        colour: str = colours.INK,
        bold: bool = False,
        indent: float = 0.0,
        to_right: bool = False,
    ) -> Text:
        """A line of the panel, shortened where it would not fit."""
        pixels = max(1, round(size * self._unit))
        font = letters(pixels, bold=bold)
        left = self._from + indent * self._unit
        kept = fitted(words, self._to - left, font.getlength)
        wide, high = text_size(kept, font)
        left = self._to - wide if to_right else left
        box = Box(left, top * self._unit, left + wide, top * self._unit + high)
        return Text(kept, box, pixels, colour, bold)


def draw_alarm(pen: Pen, ends: NDArray[np.float64]) -> None:
    """That a link has an alarm: a line on both sides of it."""
    pen.rails(ends, colours.ALARM, 4.0)


def draw_window(pen: Pen, ends: NDArray[np.float64]) -> None:
    """That a link has an announced window: ties across it."""
    pen.ties(ends, colours.WINDOW, 5.0)


def draw_site(pen: Pen, middle: NDArray[np.float64], radius: float, used: float) -> None:
    """A site, filled by the share of its modules that is in use."""
    pen.dot(middle, radius, "white", colours.INK, 1.4)
    pen.slice(middle, radius, used, colours.INK)
