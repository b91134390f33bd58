"""Examples run as their readers would run them."""

import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_planner_plays_and_repeats_itself():
    example = runpy.run_path(str(EXAMPLES / "planner.py"))
    share = example["play"](scenario="metro-10", decisions=6)
    assert 0.0 < share <= 1.0
    assert example["play"](scenario="metro-10", decisions=6) == share
