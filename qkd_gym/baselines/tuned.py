"""Tuned parameters that ship with the package, per scenario, with the command that made them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec

from qkd_gym.reading import read_json


class Tuned(msgspec.Struct, forbid_unknown_fields=True):
    """Parameters that a search has chosen.

    Attributes:
        parameters: The rule's parameters by name.
        default_share: Mean value share of the defaults, on training episodes that the search
            had not seen.
        gain: Paired difference of the parameters to the defaults there: mean, and ends of its 95 %
            interval.
        command: The command that made them.
    """

    parameters: dict[str, float]
    default_share: float
    gain: tuple[float, float, float]
    command: str


Table = dict[str, dict[str, Tuned]]  # by scenario and policy


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, dict[str, Any]]]:
    """All that ships, by scenario and policy, each with the fields of `Tuned`."""
    path = files("qkd_gym.baselines") / "data/tuned.json"
    return dict(msgspec.to_builtins(read_json(path, Table, "tuned parameters")))


def parameters(policy: str, scenario: str | None) -> dict[str, float]:
    """Tuned parameters of a single rule for a scenario; empty where there are none."""
    facts = table().get(scenario or "", {}).get(policy, {})
    return dict(facts.get("parameters", {}))
