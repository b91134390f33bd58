"""The study of opponents: what its page says, and what its figures are."""

import json

import numpy as np
import pytest

pytest.importorskip("cmaes")

from qkd_gym.search.recipe import SearchRecipe
from studies import opponents as study
from studies.command import DOCS

FIGURES = DOCS / "opponents.json"


def test_the_page_says_what_its_figures_say():
    figures = json.loads(FIGURES.read_text())
    assert (DOCS / "opponents.md").read_text(encoding="utf-8") == study.page(figures)
    assert figures["episodes"] >= 60
    assert set(figures["policies"]) == {*study.RULES, *(f"agent:{name}" for name in study.AGENTS)}


def test_the_adaptive_opponent_hurts_every_policy_more_than_the_random_one():
    for label, facts in json.loads(FIGURES.read_text())["policies"].items():
        mean, _, high = facts["busiest_to_random"]
        assert mean == pytest.approx(facts["points"]["busiest"][0] - facts["points"]["random"][0])
        assert high < 0.0, label


def test_costs_are_paired_differences(monkeypatch):
    shares = {
        "": np.array([0.5, 0.9]),
        "random": np.array([0.4, 0.8]),
        "betweenness": np.array([0.4, 0.6]),
        "busiest": np.array([0.3, 0.7]),
    }
    monkeypatch.setattr(study, "shares_of", lambda policy, opponent, episodes: shares[opponent])
    found = study.costs("a rule", 2)
    assert found["share"] == pytest.approx(0.7)
    for name, expected in (("random", [-10.0] * 3), ("betweenness", [-20.0, -30.0, -10.0])):
        assert found["points"][name] == pytest.approx(expected)
    assert found["busiest_to_random"] == pytest.approx([-10.0] * 3)


@pytest.mark.slow
def test_a_study_searches_with_and_without_the_opponent_and_writes_its_page(monkeypatch, tmp_path):
    small = SearchRecipe(population=4, generations=1, episodes=2)
    changes = {"RECIPE": small, "SCENARIO": "vienna", "RULES": ("static-plan",), "AGENTS": ()}
    for name, value in changes.items():
        monkeypatch.setattr(study, name, value)
    work, out = tmp_path / "work", tmp_path / "out"
    study.run(2, 2, work, out)
    figures = json.loads((out / "opponents.json").read_text())
    assert (out / "opponents.md").read_text(encoding="utf-8") == study.page(figures)
    assert "| `static-plan` |" in study.page(figures)
    shares = {
        path.stem: json.loads(path.read_text().splitlines()[1])["shares"] for path in work.iterdir()
    }
    assert set(shares) == {"none-0", "none-1", "busiest-0", "busiest-1"}
    # The first generation has the same candidates and episodes with and without it.
    for seed in (0, 1):
        assert np.less(shares[f"busiest-{seed}"], shares[f"none-{seed}"]).all()
    mean, low, high = figures["trained"]["gain"]
    met = [figures["trained"]["shares"][name]["busiest"] for name in ("busiest", "")]
    assert mean == pytest.approx(100.0 * (met[0] - met[1]))
    assert low <= mean <= high
