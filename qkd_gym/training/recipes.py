"""Where the recipes of the agents are: a file per environment."""

from __future__ import annotations

from pathlib import Path

# A wheel has them in the package, and a checkout where people edit them.
_PACKAGED = Path(__file__).with_name("recipes")
RECIPES = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "agents"
