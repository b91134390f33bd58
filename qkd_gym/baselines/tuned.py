"""Tuned parameters that ship with the package, per scenario, with the command that made them.

``data/tuned.json`` maps scenario, then policy, to ``parameters``, ``default_share`` and ``gain``
(mean delivered share of the defaults, and the paired difference to it, on training episodes that
the search had not seen) and ``command``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, dict[str, Any]]]:
    """All that ships, by scenario and policy."""
    text = files("qkd_gym.baselines").joinpath("data/tuned.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def parameters(policy: str, scenario: str | None) -> dict[str, float]:
    """Tuned parameters of a single rule for a scenario; empty where there are none."""
    facts = table().get(scenario or "", {}).get(policy, {})
    return dict(facts.get("parameters", {}))
