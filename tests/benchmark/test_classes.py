"""Episodes with service classes: their results, their files and their tables."""

import json

import pytest

from qkd_gym.benchmark import run_benchmark, validate
from qkd_gym.benchmark.table import leaderboard, markdown

POLICIES = ("exponential-price", "class-reservation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("classes")
    run = {"episodes": 2, "split": "validation", "scenarios": ["classes"], "record": True}
    run_benchmark("classes", out, POLICIES, workers=1, **run)
    return out


def rows(table):
    """Cells of the rows of a Markdown table, by policy."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return {cells[0]: dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]}


def test_policies_are_ranked_by_value(folder):
    results = json.loads((folder / "results.json").read_text())
    policies = results["scenarios"]["classes"]["policies"]
    shares = {
        name: [facts["metrics"][share]["mean"] for share in ("value_share", "delivered_share")]
        for name, facts in policies.items()
    }
    assert list(policies) == sorted(policies, key=lambda name: -shares[name][0])
    # Key that is kept for what is worth more is not delivered at once.
    assert shares["class-reservation"][1] < shares["exponential-price"][1]
    found = rows(markdown(results))
    for name, (value, delivered) in shares.items():
        assert found[name]["value share [95 %]"].startswith(f"{value:.4f}")
        assert found[name]["delivered share"] == f"{delivered:.4f}"


def test_files_hold_and_make_the_same_table(folder):
    results = json.loads((folder / "results.json").read_text())
    episodes = validate(sorted(folder.rglob("episodes/**/*.json")))
    assert len(episodes) == 4
    assert episodes[0].config["service_classes"][0]["name"] == "rekey"
    ranked = rows(leaderboard(episodes))
    for name, facts in results["scenarios"]["classes"]["policies"].items():
        value = facts["metrics"]["value_share"]["mean"]
        assert ranked[name]["value share [95 %]"].startswith(f"{value:.4f}")


def test_tables_without_classes_have_no_column_for_value(tmp_path):
    run_benchmark(
        "routing", tmp_path, ["shortest-path"], episodes=1, split="validation",
        scenarios=["control-modules"], workers=1,
    )  # fmt: skip
    results = json.loads((tmp_path / "results.json").read_text())
    assert "value share" not in markdown(results)
