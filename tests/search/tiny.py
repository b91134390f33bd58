"""A search of seconds."""

from __future__ import annotations

from typing import Any

from qkd_gym.search.recipe import Practice, SearchRecipe
from qkd_gym.search.search import Search

NETWORK = {"n_sites": 8, "bank_size": 4, "episode_s": 1800.0, "calibration_s": 60.0}


def tiny(seed: int = 0, **changes: Any) -> Search:
    """A search of four generations of four candidates, unless changed."""
    recipe = {"population": 4, "generations": 4, "hidden": 1, **changes}
    practices = (Practice("metro", NETWORK, 2), Practice("vienna", {"episode_s": 1200.0}, 3, 0.5))
    return Search(SearchRecipe(**recipe), practices, seed)
