"""Scored schedules and paths as files: weights by name, and a card that says what they came of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from qkd_gym import __version__
from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.files import write_json
from qkd_gym.reading import decode_json, read_bytes
from qkd_gym.scoring.kinds import KINDS, SCHEDULES, AnyWeights, Kind, ScoredPolicy, kind_of
from qkd_gym.scoring.policy import ScoredSchedule
from qkd_gym.scoring.weights import HIGHEST_RULE, LOWEST_RULE, RULE_NAMES

FORMAT = 1
PREFIX = "agent:"  # before the names of shipped agents, where other policies are named too
SHIPPED = files("qkd_gym.scoring") / "data"
_MOST = 1e6  # of a weight, all of which are of order one
_RULE_RANGES = {
    name: (max(float(low), -_MOST), min(float(high), _MOST))
    for name, low, high in zip(RULE_NAMES, LOWEST_RULE, HIGHEST_RULE, strict=True)
}


class Card(msgspec.Struct):
    """What the package reads of a card; all else there is for people.

    Attributes:
        summary: What the agent came of, in one line.
        command: What makes it again.
        decisions: Decisions that its training took.
    """

    summary: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")] = ""
    command: str = ""
    decisions: int = 0


class _Head(msgspec.Struct):
    """What says how the rest of a file is read."""

    format: int
    env: str


def _number(low: float = -_MOST, high: float = _MOST) -> Any:
    return Annotated[float, msgspec.Meta(ge=low, le=high)]


def _schema(kind: Kind) -> Any:
    """What a file holds: a number per name, and no other."""
    fields: list[tuple[str, Any]] = [("format", int), ("version", str), ("env", str)]
    for field in kind.weights._fields:
        ranges = _RULE_RANGES if field == "rule" else {}
        named = [(name, _number(*ranges.get(name, ()))) for name in kind.names.get(field, ())]
        content: Any = _number()
        if named:
            content = msgspec.defstruct(f"_{field}", named, forbid_unknown_fields=True)
        fields.append((field, list[content] if field.startswith("hidden") else content))
    return msgspec.defstruct("_File", [*fields, ("card", Card)], forbid_unknown_fields=True)


_SCHEMAS = {name: _schema(kind) for name, kind in KINDS.items()}


def save_scored(path: Path, weights: AnyWeights, card: Mapping[str, Any]) -> None:
    """Writes an agent's file.

    Args:
        path: Where to; its folder must exist.
        weights: What links or paths are worth.
        card: What the agent came of, plain values; its ``summary`` is one line.
    """
    kind = kind_of(weights)

    def named(field: str, row: np.ndarray) -> dict[str, float]:
        return dict(zip(kind.names[field], row.tolist(), strict=True))

    content: dict[str, Any] = {"format": FORMAT, "version": __version__, "env": kind.task.name}
    for field, part in weights._asdict().items():
        if field == "hidden":
            content[field] = [named(field, row) for row in part]
        else:
            content[field] = named(field, part) if field in kind.names else part
    write_json(path, {**content, "card": dict(card)})


def load_scored(path: Path | Traversable, name: str) -> ScoredPolicy:
    """The agent of a file.

    Args:
        path: The file.
        name: What reports call the agent.

    Raises:
        InvalidInput: If the file is missing or no agent's, is of another format, or has a weight
            too many, too few or outside its range.
    """
    return _load(path, name, KINDS)


def load_schedule(path: Path | Traversable, name: str) -> ScoredSchedule:
    """The schedule of a file; arguments and errors as `load_scored`, which takes others too."""
    schedule: ScoredSchedule = _load(path, name, (SCHEDULES.task.name,))
    return schedule


def _load(path: Path | Traversable, name: str, environments: Iterable[str]) -> Any:
    owner, found = f"agent {shown(str(path))}", _read(path, environments)
    kind, units = KINDS[found.env], len(found.hidden)
    parts = []
    for field in kind.weights._fields:
        part, names = getattr(found, field), kind.names.get(field, ())
        if field == "hidden":
            numbers = [_numbers(unit) for unit in part]
            parts.append(np.array(numbers, np.float32).reshape(units, len(names)))
        elif names:
            parts.append(np.array(_numbers(part), np.float32))
        elif len(part) == units:
            parts.append(np.array(part, np.float32))
        else:
            raise InvalidInput(
                f"{owner} has {len(part)} numbers in {field}, but must have {units}, one for each "
                "hidden unit."
            )
    return kind.policy(kind.weights(*parts), name)


def _read(path: Path | Traversable, environments: Iterable[str] = tuple(KINDS)) -> Any:
    """What an agent's file holds."""
    content, owner = read_bytes(path, "agent"), f"agent {shown(str(path))}"
    head = decode_json(content, _Head, owner)
    if head.format != FORMAT:
        raise InvalidInput(f"{owner} has format {head.format}, but this version reads {FORMAT}.")
    if head.env not in environments:
        raise InvalidInput(
            f"{owner} is for {shown(head.env)}, but must be for "
            f"{' or '.join(map(repr, environments))}."
        )
    return decode_json(content, _SCHEMAS[head.env], owner)


def _numbers(named: Any) -> tuple[float, ...]:
    return msgspec.structs.astuple(named)


def find_scored(agent: str | Path) -> ScoredPolicy | None:
    """The agent of a name or of a folder that a search has written; None if it is neither.

    Args:
        agent: A name, or a folder; a text that is a name is never taken for a folder.

    Raises:
        InvalidInput: If the folder's file is damaged.
    """
    if isinstance(agent, str) and agent in shipped_names():
        return shipped_scored(agent)
    for kind in KINDS.values():
        file = Path(agent) / kind.file
        if file.is_file():
            return load_scored(file, file.parent.resolve().name)
    return None


def shipped_names() -> tuple[str, ...]:
    """Names of the agents that the package ships."""
    names = (entry.name for entry in SHIPPED.iterdir() if entry.name.endswith(".json"))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def shipped_card(name: str) -> Card:
    """The card of an agent that the package ships.

    Raises:
        InvalidInput: If there is none of that name.
    """
    card: Card = _read(_shipped(name)).card
    return card


def shipped_scored(name: str) -> ScoredPolicy:
    """An agent that the package ships.

    Raises:
        InvalidInput: If there is none of that name.
    """
    return load_scored(_shipped(name), name)


def shipped_schedules() -> tuple[str, ...]:
    """Names of those agents that decide which links run."""
    environments = {name: _read(_shipped(name)).env for name in shipped_names()}
    return tuple(name for name, env in environments.items() if env == SCHEDULES.task.name)


def shipped_schedule(name: str) -> ScoredSchedule:
    """One of the agents that decide which links run.

    Raises:
        InvalidInput: If there is none of that name.
    """
    return load_schedule(_shipped(name), name)


def _shipped(name: str) -> Traversable:
    require_choice("agent", name, shipped_names())
    return SHIPPED / f"{name}.json"
