"""Draws scenes with Pillow. What an episode does not change is drawn once; a frame adds the rest.

Lines are drawn three times as large and scaled down, which smooths their edges; texts are drawn as
large as they are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.extras import require_extra
from qkd_gym.rendering import colours
from qkd_gym.rendering.options import RenderOptions
from qkd_gym.rendering.panel import Panel, draw_alarm, draw_site, draw_window
from qkd_gym.rendering.pen import Pen, Text, write
from qkd_gym.rendering.places import HALO, Places, lay_out
from qkd_gym.rendering.scene import LinkState, Scene
from qkd_gym.topology import Topology

if TYPE_CHECKING:
    from PIL.Image import Image

_SMOOTHING = 3
_BASE_SIZE = (600, 400)  # to which all lengths below refer
_MOST_KEPT = 8  # networks whose unchanging part is kept


class Still(NamedTuple):
    """What does not change during an episode.

    Attributes:
        topology: The network.
        places: Where its sites are.
        texts: All that is written on the images.
        links: Inactive links and the scale, enlarged for smoothing.
        names: Names of the sites, on nothing.
        panel: The panel, on the right of a whole picture.
    """

    topology: Topology
    places: Places
    texts: list[Text]
    links: Image
    names: Image
    panel: Image


class Picture:
    """Draws one scene after the other.

    Args:
        options: How pictures look.

    Raises:
        MissingExtra: If Pillow, or matplotlib, which brings the letters, is not installed.
    """

    def __init__(self, options: RenderOptions) -> None:
        require_extra("plot", "PIL", "matplotlib")
        self._options = options
        self._unit = min(side / base for side, base in zip(options.size, _BASE_SIZE, strict=True))
        self._panel = Panel(options, self._unit)
        self._kept: dict[int, Still] = {}

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """A scene as a picture, (height, width, 3)."""
        still = self._still(scene)
        links = still.links.copy()
        pen = Pen(links, _SMOOTHING, self._unit)
        self._draw_links(pen, scene, still.places)
        self._draw_sites(pen, scene, still.places)
        picture = still.panel.copy()
        picture.paste(links.reduce(_SMOOTHING))
        picture.paste(still.names, mask=still.names)
        self._panel.draw_bars(Pen(picture, 1, self._unit), scene)
        write(picture, self._panel.live_texts(scene))
        return np.array(picture)

    def texts(self, scene: Scene) -> list[Text]:
        """All that is written on a scene's picture."""
        return self._still(scene).texts + self._panel.live_texts(scene)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is drawn again when it is needed."""
        return {**self.__dict__, "_kept": {}}

    def _still(self, scene: Scene) -> Still:
        kept = self._kept.get(id(scene.topology))
        if kept is None:
            if len(self._kept) == _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[id(scene.topology)] = self._draw_still(scene)
        return kept

    def _draw_still(self, scene: Scene) -> Still:
        from PIL import Image

        width, height = self._options.size
        map_width = int(self._panel.left)
        places = lay_out(scene.topology, map_width, height, self._unit)
        links = Image.new("RGB", (_SMOOTHING * map_width, _SMOOTHING * height), colours.PAPER)
        pen = Pen(links, _SMOOTHING, self._unit)
        for ends in places.pixels[scene.topology.link_endpoints]:
            pen.line(ends, colours.FAINT, 1.2)
        pen.line(places.scale_line, colours.MUTED, 1.6)
        on_map = [places.scale, *filter(None, places.names)]
        names = Image.new("RGBA", (map_width, height))
        write(names, on_map, HALO)
        panel = Image.new("RGB", (_SMOOTHING * width, _SMOOTHING * height), colours.PAPER)
        self._panel.draw_legend(Pen(panel, _SMOOTHING, self._unit), scene)
        panel, on_panel = panel.reduce(_SMOOTHING), self._panel.fixed_texts(scene)
        write(panel, on_panel)
        return Still(scene.topology, places, on_map + on_panel, links, names, panel)

    def _draw_links(self, pen: Pen, scene: Scene, places: Places) -> None:
        ends = places.pixels[scene.topology.link_endpoints]
        shades = colours.ramp(self._goodness(scene))
        if scene.request:
            for link in scene.request.path:
                pen.line(ends[link], colours.PATH, 9.0)
            for site in scene.request.ends:
                pen.dot(places.pixels[site], places.radius + 4.0 * self._unit, colours.PATH)
        if scene.faults:
            for link in np.flatnonzero(scene.faults.alarmed).tolist():
                draw_alarm(pen, ends[link])
            for link in np.flatnonzero(scene.faults.announced).tolist():
                draw_window(pen, ends[link])
        stored = (scene.state == LinkState.INACTIVE) & (scene.pool_bits > 0)
        for link in np.flatnonzero(stored).tolist():
            pen.dot(ends[link].mean(axis=0), 2.6 * self._unit, shades[link], "white", 0.6)
        for link in np.flatnonzero(scene.state != LinkState.INACTIVE).tolist():
            if scene.state[link] == LinkState.CALIBRATING:
                pen.dashes(ends[link], colours.CALIBRATING, 3.0)
            elif scene.state[link] == LinkState.FAILED:
                pen.line(ends[link], colours.FAILED, 2.5)
                pen.cross(ends[link].mean(axis=0), 4.0, colours.FAILED)
            else:
                pen.line(ends[link], shades[link], 4.0)
                if scene.topology.free_space[link]:
                    pen.line(ends[link], "white", 1.2)

    def _draw_sites(self, pen: Pen, scene: Scene, places: Places) -> None:
        for place, used in zip(places.pixels, scene.modules_used / scene.modules, strict=True):
            draw_site(pen, place, places.radius, float(used))

    def _goodness(self, scene: Scene) -> NDArray[np.float64]:
        """What the colour of a link shows, from 0, bad, to 1, good."""
        if self._options.colour == "pool":
            return scene.pool_fill
        return 1.0 - scene.qber / scene.qber_limit
