"""Scored schedules as files: the weights by name, and a card that says what they came of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from qkd_gym import __version__
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import (
    InvalidInput,
    require_between,
    require_choice,
    require_known_keys,
    shown,
)
from qkd_gym.files import write_json
from qkd_gym.reading import read_json
from qkd_gym.scoring import ScoredSchedule, Weights
from qkd_gym.scoring.inputs import F32, INPUT_NAMES
from qkd_gym.scoring.weights import HIGHEST_RULE, LOWEST_RULE, RULE_NAMES

FORMAT = 1
SCHEDULE = "schedule.json"  # of a trained agent's folder
SHIPPED = files("qkd_gym.search") / "data"


_LARGEST = float(np.finfo(np.float32).max)


class _Card(msgspec.Struct):
    """What the package reads of a card; all else there is for people."""

    summary: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")] = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """An agent's file."""

    format: int
    version: str
    env: str
    rule: dict[str, float]
    on: dict[str, float]
    off: dict[str, float]
    hidden: list[dict[str, float]]
    hidden_on: list[float]
    hidden_off: list[float]
    card: _Card


def save_schedule(path: Path, weights: Weights, card: Mapping[str, Any]) -> None:
    """Writes an agent's file.

    Args:
        path: Where to; its folder must exist.
        weights: What links are worth.
        card: What the agent came of, plain values; its ``summary`` is one line.
    """

    def named(row: np.ndarray) -> dict[str, float]:
        return dict(zip(INPUT_NAMES, row.tolist(), strict=True))

    content = {
        "format": FORMAT,
        "version": __version__,
        "env": LINK_SCHEDULING.name,
        "rule": dict(zip(RULE_NAMES, weights.rule.tolist(), strict=True)),
        "on": named(weights.on),
        "off": named(weights.off),
        "hidden": [named(row) for row in weights.hidden],
        "hidden_on": weights.hidden_on,
        "hidden_off": weights.hidden_off,
        "card": dict(card),
    }
    write_json(path, content)


def load_schedule(path: Path | Traversable, name: str) -> ScoredSchedule:
    """The agent of a file.

    Args:
        path: The file.
        name: What reports call the agent.

    Raises:
        InvalidInput: If the file is missing or no agent's, is of another format, or has a weight
            too many, too few or outside its range.
    """
    found, owner = read_json(path, _File, "agent"), f"agent {shown(str(path))}"
    if found.format != FORMAT:
        raise InvalidInput(f"{owner} has format {found.format}, but this version reads {FORMAT}.")
    if found.env != LINK_SCHEDULING.name:
        raise InvalidInput(
            f"{owner} is for {shown(found.env)}, but must be for {LINK_SCHEDULING.name!r}."
        )
    units = len(found.hidden)
    if (len(found.hidden_on), len(found.hidden_off)) != (units, units):
        raise InvalidInput(
            f"{owner} has {len(found.hidden_on)} and {len(found.hidden_off)} weights of its "
            f"hidden units, but must have {units} of each."
        )

    def row(field: str, values: dict[str, float], names: Sequence[str]) -> F32:
        require_known_keys(f"{owner}: {field}", values, names)
        for key in names:
            if key not in values:
                raise InvalidInput(f"{owner}: {field} lacks the field {key!r}, but must have it.")
        return numbers(field, [values[key] for key in names])

    def numbers(field: str, values: list[float]) -> F32:
        require_between(f"{owner}: {field}", values, -_LARGEST, _LARGEST)
        return np.array(values, np.float32)

    rule = row("rule", found.rule, RULE_NAMES)
    for key, value, low, high in zip(RULE_NAMES, rule, LOWEST_RULE, HIGHEST_RULE, strict=True):
        require_between(f"{owner}: rule.{key}", value, low, high)
    hidden = [row(f"hidden[{i}]", unit, INPUT_NAMES) for i, unit in enumerate(found.hidden)]
    weights = Weights(
        rule=rule,
        on=row("on", found.on, INPUT_NAMES),
        off=row("off", found.off, INPUT_NAMES),
        hidden=np.array(hidden, np.float32).reshape(units, len(INPUT_NAMES)),
        hidden_on=numbers("hidden_on", found.hidden_on),
        hidden_off=numbers("hidden_off", found.hidden_off),
    )
    return ScoredSchedule(weights, name)


def find_schedule(agent: str | Path) -> ScoredSchedule | None:
    """The agent of a name or of a folder that a search has written; None if it is neither.

    Args:
        agent: A name, or a folder; a text that is a name is never taken for a folder.

    Raises:
        InvalidInput: If the folder's file is damaged.
    """
    if isinstance(agent, str) and agent in shipped_schedules():
        return shipped_schedule(agent)
    file = Path(agent) / SCHEDULE
    return load_schedule(file, file.parent.resolve().name) if file.is_file() else None


def shipped_schedules() -> tuple[str, ...]:
    """Names of the agents that the package ships."""
    names = (entry.name for entry in SHIPPED.iterdir() if entry.name.endswith(".json"))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def shipped_summary(name: str) -> str:
    """What an agent that the package ships came of, in one line.

    Raises:
        InvalidInput: If there is none of that name.
    """
    return read_json(_shipped(name), _File, "agent").card.summary


def shipped_schedule(name: str) -> ScoredSchedule:
    """An agent that the package ships.

    Raises:
        InvalidInput: If there is none of that name.
    """
    return load_schedule(_shipped(name), name)


def _shipped(name: str) -> Traversable:
    require_choice("agent", name, shipped_schedules())
    return SHIPPED / f"{name}.json"
