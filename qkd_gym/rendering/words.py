"""Texts of pictures and tables: names of whatever characters, quantities and moments."""

from __future__ import annotations

import math
from collections.abc import Callable

from qkd_gym.rendering.past import Request
from qkd_gym.rendering.scene import KnownFaults, LinkState, Scene

ALARM, WINDOW = "alarm", "planned window"
LONGEST_NAME = 24  # characters
_PREFIXES = ("", "k", "M", "G", "T")

STATE_NAMES = {
    LinkState.INACTIVE: "inactive",
    LinkState.ACTIVE: "active",
    LinkState.CALIBRATING: "calibrating",
    LinkState.FAILED: "no key",
}


def literal(text: str, most: int = LONGEST_NAME) -> str:
    """A name as it can be shown on one line: shortened, and without what cannot be printed."""
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    unknown = "\N{REPLACEMENT CHARACTER}"
    return "".join(letter if letter.isprintable() else unknown for letter in short)


def fitted(text: str, width: float, measure: Callable[[str], float]) -> str:
    """A text, shortened until it is no wider than it may be.

    Args:
        text: The text.
        width: How wide it may be.
        measure: Gives the width of a text in the same unit.
    """
    kept = text
    while kept and measure(kept if kept == text else f"{kept}…") > width:
        kept = kept[:-1]
    return kept if kept == text else f"{kept.rstrip()}…"


def quantity(value: float, unit: str) -> str:
    """A number of three digits with a prefix, ``12.3 kbit/s``; a dash if it is none."""
    if not math.isfinite(value):
        return "–"
    size = 0
    while abs(value) >= 999.5 and size < len(_PREFIXES) - 1:
        value, size = value / 1000.0, size + 1
    return f"{value:.3g} {_PREFIXES[size]}{unit}"


def percent(share: float, digits: int = 1) -> str:
    """A share in percent, or a dash if it is none."""
    return f"{100.0 * share:.{digits}f} %" if math.isfinite(share) else "–"


def moment(scene: Scene) -> str:
    """How much of the episode has passed."""
    return f"{scene.elapsed_s / 60.0:.0f} of {scene.episode_s / 60.0:.0f} min"


def request_words(scene: Scene, request: Request) -> tuple[str, str, str]:
    """A request: its sites, its key and way, and what became of it."""
    names = scene.topology.site_names
    first, second = (literal(names[site], 12) for site in request.ends)
    hops = len(request.path)
    way = f"over {hops} hop{'' if hops == 1 else 's'}" if hops else "refused"
    return f"{first} – {second}", f"{quantity(request.bits, 'bit')} {way}", request.outcome


def fault_words(faults: KnownFaults, link: int) -> str:
    """What the operator knows of the faults of a link; empty if there is nothing."""
    found = []
    if faults.alarmed[link]:
        found.append(f"{ALARM} for {_minutes(faults.alarm_s[link])}")
    if faults.window_in_s[link] > 0.0:
        found.append(f"{WINDOW} in {_minutes(faults.window_in_s[link])}")
    elif faults.announced[link]:
        found.append(f"{WINDOW}, {_minutes(faults.window_left_s[link])} left")
    return ", ".join(found)


def _minutes(time_s: float) -> str:
    return f"{time_s / 60.0:.0f} min"
