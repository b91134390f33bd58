"""The page of a run: one HTML file with everything in it, which works from the file system."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym import __version__
from qkd_gym.evaluation.player import Player
from qkd_gym.evaluation.plots import LearningCurve
from qkd_gym.evaluation.report import comparison_cells
from qkd_gym.extras import require_extra
from qkd_gym.rendering import KnownFaults, LinkState, Scene, colours
from qkd_gym.rendering.pen import Text
from qkd_gym.rendering.places import HALO, lay_out
from qkd_gym.rendering.words import STATE_NAMES, literal
from qkd_gym.report.recording import moments_s, record
from qkd_gym.report.run import AGENT, Run

_WIDTH, _HEIGHTS, _UNIT = 560.0, (200.0, 440.0), 1.2  # of a map, and size of what is on it
_SCRIPTS = ("episode.js", "charts.js", "page.js")
_TOP = 2**16 - 2  # of quantised numbers; the one after it stands for none
_RAMP_IN_THE_DARK = ("#f0a830", "#8fcf6e", "#3fc1b0", "#5aa9f0", "#b9c4ff")
_LIGHT = {
    "ink": colours.INK,
    "muted": colours.MUTED,
    "faint": colours.FAINT,
    "paper": colours.PAPER,
    "panel": colours.PANEL,
    "calibrating": colours.CALIBRATING,
    "failed": colours.FAILED,
    "path": colours.PATH,
    "delivered": colours.DELIVERED,
    "blocked": colours.BLOCKED,
    **{f"ramp-{number}": colour for number, colour in enumerate(colours.RAMP)},
}
_DARK = {
    "ink": "#e6edf3",
    "muted": "#9aa4af",
    "faint": "#3a434d",
    "paper": "#0f1419",
    "panel": "#181f27",
    "calibrating": "#c08bea",
    "failed": "#ff6b63",
    "path": "#2a5f93",
    "delivered": "#3fb09f",
    "blocked": "#ff6b63",
    **{f"ramp-{number}": colour for number, colour in enumerate(_RAMP_IN_THE_DARK)},
}


def report_page(
    run: Run, seed: int | None = None, tell: Callable[[int, int], None] = lambda done, all: None
) -> str:
    """Plays an episode of the agent and of the best baseline, and makes the page of a run.

    Args:
        run: The run.
        seed: Seed of the episode; None for the first one of the results.
        tell: Called with the number of moments played and of all.

    Raises:
        InvalidInput: If a policy cannot be loaded, or the network not be built.
        MissingExtra: If Pillow or matplotlib, whose letters are measured, is not installed.
    """
    require_extra("plot", "PIL", "matplotlib")
    seed = run.seed if seed is None else seed
    names = (AGENT, run.baseline)
    players = [
        Player(run.policy(name), run.env_id(name), seed, render_mode="ansi", **run.settings)
        for name in names
    ]
    times_s = moments_s(players[0])
    whole = len(names) * len(times_s)
    done = iter(range(1, whole + 1))
    episodes = {
        name: record(player, times_s, lambda: tell(next(done), whole))
        for name, player in zip(names, players, strict=True)
    }
    scenario = literal(str(run.settings.get("scenario", "")), 60)
    title = f"{scenario}: {AGENT} beside {run.baseline}"
    header, rows = comparison_cells(run.comparison)
    return fill(
        title,
        {
            "title": title,
            "about": f"Held-out episode with seed {seed}, qkd-gym {__version__}",
            "times_min": np.round(times_s / 60.0, 2).tolist(),
            "network": network_content(episodes[AGENT][0]),
            "episodes": [episode_content(name, each) for name, each in episodes.items()],
            "curve": _curve_content(run.curve),
            "table": {"header": header, "rows": rows},
            "results": f"{len(run.results[AGENT].seeds)} held-out episodes",
        },
    )


def fill(title: str, content: Mapping[str, Any]) -> str:
    """Puts content into the page's template.

    Args:
        title: Its title.
        content: What the script of the page shows, plain values.
    """
    folder = files("qkd_gym.report")
    parts = {
        "title": html.escape(title),
        "light": _variables(_LIGHT),
        "dark": _variables(_DARK),
        "style": (folder / "page.css").read_text(encoding="utf-8"),
        "script": "\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS),
        "content": _json_in_html(content),
    }
    template = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def network_content(scene: Scene) -> dict[str, Any]:
    """The network as the page draws it."""
    topology = scene.topology
    east_km, north_km = np.ptp(topology.positions_km, axis=0).tolist()
    height = float(np.clip(_WIDTH * north_km / max(east_km, 1e-9), *_HEIGHTS))
    places = lay_out(topology, _WIDTH, height, _UNIT)
    return {
        "name": topology.name,
        "size": [_WIDTH, height],
        "radius": round(places.radius, 1),
        "scale": {"label": _label(places.scale), "line": _rounded(places.scale_line)},
        "sites": list(topology.site_names),
        "places": _rounded(places.pixels),
        "labels": [name and _label(name) for name in places.names],
        "links": topology.link_endpoints.tolist(),
        "length_km": np.round(topology.length_km, 1).tolist(),
        "free_space": topology.free_space.astype(int).tolist(),
        "modules": scene.modules,
        "pool_bits": scene.pool_capacity_bits,
        "qber_limit": np.round(scene.qber_limit, 4).tolist(),
        "states": [STATE_NAMES[state] for state in LinkState],
    }


def episode_content(name: str, scenes: list[Scene]) -> dict[str, Any]:
    """An episode as the page reads it: numbers over T moments and e links as 16 bits each."""
    requests = [
        scene.request
        and [*scene.request.ends, scene.request.bits, scene.request.outcome, *scene.request.path]
        for scene in scenes
    ]
    shares = [(scene.sums.delivered_share, scene.sums.blocked_share) for scene in scenes]
    delivered, blocked = (
        [share if math.isfinite(share) else None for share in column]
        for column in np.round(np.transpose(shares), 4).tolist()
    )
    known = [scene.faults for scene in scenes if scene.faults]
    faults = {
        field: _packed([getattr(each, field) for each in known])
        for field in (KnownFaults._fields if known else ())
    }
    return {
        "name": name,
        "state": _packed([scene.state for scene in scenes], float(max(LinkState))),
        "pool": _packed([scene.pool_fill for scene in scenes], 1.0),
        "qber": _packed([scene.qber for scene in scenes], 0.5),
        "rate": _packed([scene.rate_bps for scene in scenes]),
        "delivered": delivered,
        "blocked": blocked,
        "requests": requests if any(requests) else [],
        **faults,
    }


def _packed(rows: Sequence[NDArray[Any]], most: float | None = None) -> dict[str, Any]:
    """Numbers that are not negative in 16 bits each, moment after moment.

    Args:
        rows: (e,) numbers at each of T moments; NaN stands for none.
        most: The largest that there can be; None for the largest that there is.
    """
    values = np.stack(rows).astype(np.float64)
    most = most or float(np.nanmax(values, initial=0.0)) or 1.0
    whole = np.rint(np.clip(values / most, 0.0, 1.0) * _TOP)
    packed = np.where(np.isnan(values), _TOP + 1, np.nan_to_num(whole)).astype("<u2")
    return {"step": most / _TOP, "data": base64.b64encode(packed.tobytes()).decode()}


def _label(text: Text) -> dict[str, Any]:
    """Words, and where their line stands."""
    left, _, _, bottom = text.box
    return {"words": text.words, "at": _rounded((left + HALO, bottom - 0.22 * text.size))}


def _rounded(numbers: ArrayLike) -> Any:
    return np.asarray(numbers, np.float64).round(1).tolist()


def _curve_content(curve: LearningCurve | None) -> dict[str, Any] | None:
    return None if curve is None else msgspec.structs.asdict(curve)


def _variables(colours_by_name: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours_by_name.items())


def _json_in_html(content: Mapping[str, Any]) -> str:
    """JSON in which nothing can end the element that it stands in, whatever names say."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
