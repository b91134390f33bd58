"""Journals, episode files and tables with random changes are accepted or refused by name."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest

from qkd_gym.baselines import tuned
from qkd_gym.benchmark import replay, run_benchmark
from qkd_gym.benchmark.replay import read_episode, record, validate, write_episode
from qkd_gym.benchmark.tuning import read_table, tune
from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import resolve
from tests.mutations import mutated
from tests.survival import survives

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SMALL = {"n_sites": 6, "bank_size": 1, "episode_s": 600.0}


def mutated_line(content: bytes, rng: random.Random) -> bytes:
    """A journal of which one line is mutated."""
    lines = content.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    lines[at] = mutated(lines[at].rstrip(b"\n"), rng) + b"\n"
    return b"".join(lines)


@pytest.fixture
def by_line(monkeypatch):
    monkeypatch.setattr("tests.survival.mutated", mutated_line)


@pytest.mark.usefixtures("by_line")
def test_20000_mutated_journals_of_a_benchmark(tmp_path, monkeypatch):
    def run():
        return run_benchmark(
            "sizes", tmp_path, ["static-plan"], episodes=3, scenarios=["metro-10"], workers=1
        )

    run()
    content = (tmp_path / "journal.jsonl").read_bytes()

    class Waiting(Exception):
        """Raised where units are left to be played."""

    def nothing_is_played(units, *_):
        if units:
            raise Waiting
        yield from ()

    monkeypatch.setattr("qkd_gym.benchmark.runner._run", nothing_is_played)

    def read(_):
        with suppress(Waiting):
            run()

    assert 0 < survives(read, tmp_path / "journal.jsonl", content, seed=1) < 20_000


@pytest.mark.usefixtures("by_line")
def test_20000_mutated_journals_of_a_search(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    search = {"episodes": 1, "trials": 1, "sweeps": 0, "journal": path, **SMALL}
    tune("threshold", **search)
    content = path.read_bytes()

    class Played:
        def mean(self):
            return 0.5

    monkeypatch.setattr("qkd_gym.benchmark.tuning._played", lambda *_: Played())
    assert 0 < survives(lambda _: tune("threshold", **search), path, content, seed=2) < 20_000


def with_checksum(content: bytes) -> bytes:
    """The file with the checksum that its content has, so that the checks behind it are tried."""
    try:
        found = json.loads(content)
        found["checksum"] = replay._checksum(found)
        return json.dumps(found).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return content


def test_20000_mutated_episode_files(tmp_path):
    env_id = "qkd_gym/LinkActivation-v0"
    settings = {"scenario": "metro", "split": "test", **SMALL}
    result = evaluate("max-weight", env_id, 1, 3, record_actions=True, **settings)
    config = resolve("metro", {"split": "test", **SMALL})
    facts = "max-weight", env_id, "metro", config, 3, result.actions[0], result.totals, 0
    path = tmp_path / "episode.json"
    write_episode(path, record(*facts))
    content = path.read_bytes()
    readable = []

    def read(path):
        read_episode(path)
        readable.append(path.read_bytes())

    survives(read, path, content, seed=3, finish=with_checksum)
    assert len(readable) > 100
    kept = tmp_path / "kept"
    kept.mkdir()
    for number, one in enumerate(readable[:1000]):
        (kept / f"{number}.json").write_bytes(one)
    names = sorted(kept.iterdir())
    following = iter(names)
    played = survives(
        lambda _: validate([next(following)]), path, content, seed=3, count=len(names)
    )
    assert played >= 1


def test_20000_mutated_tables_of_tuned_parameters(tmp_path):
    table = {name: tuned.table()[name] for name in list(tuned.table())[:3]}
    content = json.dumps(table).encode()
    assert 0 < survives(read_table, tmp_path / "tuned.json", content, seed=4) < 20_000
