"""The study of several seeds: its interval, and what it leaves."""

import json

import numpy as np
import pytest

from qkd_gym.evaluation.intervals import bootstrap_interval, interval_over_both

pytest.importorskip("cmaes")

from qkd_gym.search.study import study

TINY = """
[tiny]
method = "search"
population = 4
generations = 2
episodes = 2
"""


def test_an_interval_over_both_holds_what_seeds_and_episodes_vary_by():
    rng = np.random.default_rng(1)
    seeds, episodes = rng.normal(0.0, 1.0, (6, 1)), rng.normal(0.0, 1.0, (1, 50))
    for spread_of_seeds, spread_of_episodes in ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
        values = 3.0 + spread_of_seeds * seeds + spread_of_episodes * episodes
        found = interval_over_both(values)
        assert found.mean == pytest.approx(values.mean())
        variance = (
            spread_of_seeds**2 * seeds.var() / 6 + spread_of_episodes**2 * episodes.var() / 50
        )
        # Of a normal law; percentiles of few seeds lie within a fifth of it.
        assert found.high - found.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.2)
    alone = interval_over_both(np.repeat(episodes, 3, axis=0))
    assert alone == pytest.approx(bootstrap_interval(episodes[0]), abs=0.03)


def test_agents_of_paths_are_compared_with_rules_for_paths(tmp_path):
    recipes, out = tmp_path / "recipes.toml", tmp_path / "out"
    recipes.write_text(TINY)
    study(recipes, "tiny", "vienna", seeds=2, episodes=2, out=out, workers=1, env="Routing")
    assert (out / "paths-1.json").is_file()
    points = json.loads((out / "study.json").read_text())["points"]
    assert set(points) == {
        f"Routing:{rule}" for rule in ("exponential-price", "class-reservation", "bid-price")
    }
    assert "its value share" in (out / "table.md").read_text()


def test_a_study_goes_on_and_leaves_its_table(tmp_path, capsys):
    recipes, out = tmp_path / "recipes.toml", tmp_path / "out"
    recipes.write_text(TINY)
    asked = {"seeds": 2, "episodes": 2, "out": out, "workers": 1}
    study(recipes, "tiny", "vienna", **asked)
    table = (out / "table.md").read_bytes()
    assert {path.name for path in out.iterdir()} == {
        *(f"search-{seed}.jsonl" for seed in range(2)),
        *(f"schedule-{seed}.json" for seed in range(2)),
        "table.md",
        "study.json",
        "curves.png",
    }
    points = json.loads((out / "study.json").read_text())["points"]
    by_seed = points["demand-deficit"]["by_seed"]
    assert 100.0 * points["demand-deficit"]["all"][0] == pytest.approx(np.mean(by_seed))
    # The journals hold all generations: nothing is played again but the held-out episodes.
    study(recipes, "tiny", "vienna", **asked)
    assert (out / "table.md").read_bytes() == table
    assert "demand-deficit" in capsys.readouterr().out
