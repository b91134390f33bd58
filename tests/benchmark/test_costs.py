"""What the policies of a leaderboard cost to make."""

import json

from qkd_gym.benchmark.costs import costs_section
from qkd_gym.scoring.agents import SHIPPED


def cells(section):
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]


def card(name):
    return json.loads((SHIPPED / f"{name}.json").read_text())["card"]


def test_agents_that_are_played_have_what_their_cards_say():
    (section,) = costs_section(["max-weight", "agent:metro", "agent:own", "agent:metro"])
    assert cells(section)[2:] == [["agent:metro", "57.6 million", "`python train.py --seed 0`"]]
    assert card("metro")["decisions"] == 57_600_000
    assert "portfolio" not in section


def test_the_portfolio_costs_what_its_members_do():
    (section,) = costs_section(["agent:portfolio"])
    (row,) = cells(section)[2:]
    names = ("general", "hidden", "large-pools", "metro", "real", "small-pools")
    members = [card(name)["decisions"] for name in names]
    assert row[:2] == ["agent:portfolio", f"{sum(members) / 1e6:.1f} million"]
    assert "`agent:real`" in row[2]
    assert "agent:routing" not in section


def test_every_agent_that_ships_says_what_makes_it_again():
    names = [path.name.removesuffix(".json") for path in SHIPPED.iterdir()]
    (section,) = costs_section(f"agent:{name}" for name in names if not name.startswith("_"))
    rows = cells(section)[2:]
    assert len(rows) >= 5
    assert all(row[1] != "0.0 million" and "train.py" in row[2] for row in rows)


def test_rules_alone_have_no_section():
    assert costs_section(["max-weight", "demand-deficit"]) == []
