"""Examples run as their readers would run them."""

import runpy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_planner_plays_and_repeats_itself():
    example = runpy.run_path(str(EXAMPLES / "planner.py"))
    share = example["play"](scenario="metro-10", decisions=6)
    assert 0.0 < share <= 1.0
    assert example["play"](scenario="metro-10", decisions=6) == share


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")
def test_rllib_learns_the_same_from_vector_and_single_environments(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    example = runpy.run_path(str(EXAMPLES / "rllib.py"))
    small = {"scenario": "metro", "n_sites": 10, "bank_size": 4, "episode_s": 1800.0}
    ray.init(address="local", num_cpus=1, object_store_memory=100 * 2**20, log_to_driver=False)
    try:
        found = [
            example["train"](example["configure"](mode, 0, 16, 0, 960, **small), 4)
            for mode in (example["VECTOR"], example["SYNC"])
        ]
    finally:
        ray.shutdown()
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert np.isfinite(found[0]).all()
    assert len(set(found[0])) == 4  # something was learned, or at least played
