"""Scored schedules as files: the weights by name, and a card that says what they came of."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from qkd_gym import __version__
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.files import write_json
from qkd_gym.reading import read_json
from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.policy import ScoredSchedule
from qkd_gym.scoring.weights import HIGHEST_RULE, LOWEST_RULE, RULE_NAMES, Weights

FORMAT = 1
PREFIX = "agent:"  # before the names of shipped agents, where other policies are named too
SCHEDULE = "schedule.json"  # of a trained agent's folder
SHIPPED = files("qkd_gym.scoring") / "data"
_MOST = 1e6  # of a weight, all of which are of order one


def _range(low: float, high: float) -> Any:
    return Annotated[float, msgspec.Meta(ge=max(low, -_MOST), le=min(high, _MOST))]


# A number per name, and no other.
_Rule = msgspec.defstruct(
    "_Rule",
    [
        (name, _range(float(low), float(high)))
        for name, low, high in zip(RULE_NAMES, LOWEST_RULE, HIGHEST_RULE, strict=True)
    ],
    forbid_unknown_fields=True,
)
_Unit = msgspec.defstruct(
    "_Unit", [(name, _range(-_MOST, _MOST)) for name in INPUT_NAMES], forbid_unknown_fields=True
)
_Weight = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]


class _Card(msgspec.Struct):
    """What the package reads of a card; all else there is for people."""

    summary: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")] = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """An agent's file."""

    format: int
    version: str
    env: str
    rule: _Rule  # type: ignore[valid-type]
    on: _Unit  # type: ignore[valid-type]
    off: _Unit  # type: ignore[valid-type]
    hidden: list[_Unit]  # type: ignore[valid-type]
    hidden_on: list[_Weight]
    hidden_off: list[_Weight]
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

    weights = Weights(
        rule=_array(found.rule),
        on=_array(found.on),
        off=_array(found.off),
        hidden=np.array([_array(unit) for unit in found.hidden]).reshape(units, len(INPUT_NAMES)),
        hidden_on=np.array(found.hidden_on),
        hidden_off=np.array(found.hidden_off),
    )
    weights = Weights(*(part.astype(np.float32) for part in weights))
    return ScoredSchedule(weights, name)


def _array(numbers: Any) -> NDArray[Any]:
    return np.array(msgspec.structs.astuple(numbers))


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
