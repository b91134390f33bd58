"""The study of opponents: what its page says, and what its figures are."""

import json

import numpy as np
import pytest

pytest.importorskip("cmaes")

from studies import opponents as study

FIGURES = study.DOCS / "opponents.json"


def test_the_page_says_what_its_figures_say():
    figures = json.loads(FIGURES.read_text())
    assert (study.DOCS / "opponents.md").read_text(encoding="utf-8") == study.page(figures)
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


def test_searches_meet_the_opponent_they_are_named_after(monkeypatch, tmp_path):
    small = study.RECIPE.__class__(population=4, generations=1, episodes=2)
    monkeypatch.setattr(study, "RECIPE", small)
    monkeypatch.setattr(study, "SCENARIO", "vienna")
    other = study.searched("busiest", 0, tmp_path)
    plain = study.searched("", 0, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["busiest-0.jsonl", "none-0.jsonl"]
    shares = [
        json.loads(path.read_text().splitlines()[1])["shares"]
        for path in sorted(tmp_path.iterdir())
    ]
    assert np.less(*shares).all()
    assert any((one != two).any() for one, two in zip(other.weights, plain.weights, strict=True))
