"""Scored schedules as files: the weights by name, and what they came of."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from qkd_gym import __version__
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.files import write_json
from qkd_gym.reading import read_json
from qkd_gym.scoring import ScoredSchedule, Weights
from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.weights import RULE_NAMES

FORMAT = 1
SCHEDULE = "schedule.json"  # of a trained agent's folder
_SHIPPED = files("qkd_gym.search") / "data"


class _File(msgspec.Struct):
    """What an agent's file must say; its ``card`` is for people."""

    format: int
    env: str
    rule: dict[str, float]
    on: dict[str, float]
    off: dict[str, float]
    hidden: list[dict[str, float]]
    hidden_on: list[float]
    hidden_off: list[float]
    card: dict[str, Any] = {}


def save_schedule(path: Path, weights: Weights, card: Mapping[str, Any]) -> None:
    """Writes an agent's file.

    Args:
        path: Where to; its folder must exist.
        weights: What links are worth.
        card: What the agent came of, plain values.
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


def load_schedule(path: Any, name: str) -> ScoredSchedule:
    """The agent of a file.

    Args:
        path: The file.
        name: What reports call the agent.

    Raises:
        InvalidInput: If the file is missing or no agent's, or is of another version.
    """
    found = read_json(path, _File, "agent")
    owner = f"agent {shown(str(path))}"
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

    def row(field: str, values: dict[str, float], names: tuple[str, ...]) -> np.ndarray:
        if set(values) != set(names):
            odd = sorted(set(values) ^ set(names))[0]
            raise InvalidInput(
                f"{owner}: {field} lacks {odd!r} or has it in vain, but must have one weight of "
                f"each of {len(names)} names."
            )
        return np.array([values[key] for key in names], np.float32)

    hidden = [row(f"hidden[{i}]", unit, INPUT_NAMES) for i, unit in enumerate(found.hidden)]
    return ScoredSchedule(
        Weights(
            rule=row("rule", found.rule, RULE_NAMES),
            on=row("on", found.on, INPUT_NAMES),
            off=row("off", found.off, INPUT_NAMES),
            hidden=np.array(hidden, np.float32).reshape(units, len(INPUT_NAMES)),
            hidden_on=np.array(found.hidden_on, np.float32),
            hidden_off=np.array(found.hidden_off, np.float32),
        ),
        name,
    )


def shipped_schedules() -> tuple[str, ...]:
    """Names of the agents that the package ships."""
    names = (entry.name for entry in _SHIPPED.iterdir() if entry.name.endswith(".json"))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def shipped_schedule(name: str) -> ScoredSchedule:
    """An agent that the package ships.

    Raises:
        InvalidInput: If there is none of that name.
    """
    require_choice("agent", name, shipped_schedules())
    return load_schedule(_SHIPPED / f"{name}.json", name)
