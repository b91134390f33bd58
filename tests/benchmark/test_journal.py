"""The journal of a benchmark: runs go on from it to the byte, and nothing else is taken from it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_run import POLICIES, small_run

from qkd_gym.baselines import make_policy
from qkd_gym.benchmark import worker
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate

ROOT = Path(__file__).parents[2]
ACTIVATION = "qkd_gym/LinkActivation-v0"


def finished_lines(journal):
    return journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []


def kill_after(command, journal, lines, further_s):
    """Runs a command until its journal has so many lines, and for a moment longer."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240.0
    while len(finished_lines(journal)) < lines and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(further_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def note_played(monkeypatch):
    """The keys of the units that are played in this process from now on."""
    played, original = [], worker.run_unit

    def run_unit(unit):
        played.append(unit.key)
        return original(unit)

    monkeypatch.setattr("qkd_gym.benchmark.runner.run_unit", run_unit)
    return played


def test_killed_runs_lose_only_the_episodes_in_flight(tmp_path, monkeypatch):
    episodes, out = 30, tmp_path / "killed"
    small_run(tmp_path / "whole", episodes=episodes)
    journal, kept = out / "journal.jsonl", []
    moments = np.random.default_rng(0)
    for workers in ("1", "2", "1"):
        command = [sys.executable, "-m", "qkd_gym", "benchmark", "--suite", "sizes", "--out"]
        command += [str(out), "--scenarios", "metro-10", "--episodes", str(episodes)]
        command += ["--workers", workers, "--policy", *POLICIES]
        # The header, and an episode more than before.
        kill_after(command, journal, max(len(kept), 1) + 1, moments.uniform(0.0, 0.3))
        after = finished_lines(journal)
        assert after[: len(kept)] == kept
        kept = after
    # The kill may have come in the middle of a line.
    with journal.open("ab") as file:
        file.write(b'{"key": ["metro-10", "demand-def')
    (out / "results.json").unlink(missing_ok=True)
    progress, played = [], note_played(monkeypatch)
    small_run(
        out, episodes=episodes, on_progress=lambda done, total: progress.append((done, total))
    )
    before = {tuple(json.loads(line)["key"]) for line in kept[1:]}
    total = episodes * len(POLICIES)
    assert len(before) == len(kept) - 1 >= 3
    assert progress == [(done, total) for done in range(len(before), total + 1)]
    assert len(played) == total - len(before)
    assert not before & set(played)
    assert finished_lines(journal)[: len(kept)] == kept
    expected = (tmp_path / "whole" / "results.json").read_bytes()
    assert (out / "results.json").read_bytes() == expected


def test_more_policies_and_episodes_extend_a_run(whole, tmp_path, monkeypatch):
    small_run(tmp_path, ["static-plan"], episodes=2)
    played = note_played(monkeypatch)
    small_run(tmp_path)
    new = [("static-plan", seed) for seed in range(2, 6)]
    new += [(name, seed) for name in POLICIES[1:] for seed in range(6)]
    assert played == [("metro-10", name, 1_000_000 + seed) for name, seed in new]
    assert (tmp_path / "results.json").read_bytes() == (whole[0] / "results.json").read_bytes()
    with pytest.raises(InvalidInput, match="is of another run"):
        small_run(tmp_path, split="validation")


def test_asking_for_episode_files_later_plays_for_them(tmp_path, monkeypatch):
    results = small_run(tmp_path, ["static-plan"], episodes=2)
    assert small_run(tmp_path, ["static-plan"], episodes=2, record=True) == results
    files = sorted(path.name for path in tmp_path.glob("episodes/metro-10/static-plan/*"))
    assert files == ["1000000.json", "1000001.json"]
    played = note_played(monkeypatch)
    assert small_run(tmp_path, ["static-plan"], episodes=2, record=True) == results
    assert played == []


def test_a_changed_baseline_is_played_again(tmp_path, monkeypatch):
    small_run(tmp_path, ["max-weight"])
    monkeypatch.setattr(
        "qkd_gym.baselines.tuned.table", lambda: {"metro-10": {"max-weight": TUNED}}
    )
    changed = small_run(tmp_path, ["max-weight"])
    direct = evaluate(
        make_policy("max-weight", hysteresis=7.0),
        episodes=6,
        seed=1_000_000,
        scenario="metro-10",
    )
    found = changed["scenarios"]["metro-10"]["policies"]["max-weight"]
    assert found["episodes"]["delivered_share"] == direct.metrics["delivered_share"].tolist()


TUNED = {"parameters": {"hysteresis": 7.0}}


@pytest.mark.parametrize("what", ["version", "weights", "recipe"])
def test_finished_episodes_are_kept_under_all_that_they_hang_on(tmp_path, monkeypatch, what):
    """Version, shipped weights and recipe of an agent, besides its own weights."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sb3_contrib")
    from qkd_gym.benchmark.runner import _fingerprint
    from qkd_gym.gnn import LinkViabilityGNN
    from qkd_gym.sb3 import agents

    config = {"recipe": {"pointer": True}, "options": {"env": "LinkActivation"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "policy.safetensors").write_bytes(b"weights")
    folder = str(tmp_path)
    before = _fingerprint(folder, ACTIVATION, "metro-10", "test")
    assert _fingerprint(folder, ACTIVATION, "metro-10", "test") == before
    if what == "version":
        monkeypatch.setattr(agents, "__version__", "9.9.9")
    elif what == "weights":
        torch.manual_seed(0)
        monkeypatch.setattr(agents, "load_pretrained", LinkViabilityGNN)
    else:
        config["recipe"]["adviser"] = "max-weight"
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert _fingerprint(folder, ACTIVATION, "metro-10", "test") != before


def test_a_changed_fallback_rule_is_played_again(monkeypatch):
    """`Network` completes a rule for links by one for paths."""
    from qkd_gym.benchmark.runner import _fingerprint

    before = _fingerprint("max-weight", ACTIVATION, "metro-10", "test")
    made = make_policy("max-weight", scenario="metro-10")
    other = dataclasses.replace(made.fallback_routing, steepness=7.0)
    changed = dataclasses.replace(made, fallback_routing=other)
    monkeypatch.setattr("qkd_gym.benchmark.runner.make_policy", lambda *_, **__: changed)
    assert _fingerprint("max-weight", ACTIVATION, "metro-10", "test") != before


def test_a_journal_of_another_version_is_refused(tmp_path, monkeypatch):
    small_run(tmp_path, ["static-plan"], episodes=1)
    monkeypatch.setattr("qkd_gym.__version__", "9.9.9")
    with pytest.raises(InvalidInput, match="is of another run"):
        small_run(tmp_path, ["static-plan"], episodes=1)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda e: e.pop("numbers"), "lacks the field 'numbers'"),
        (lambda e: e.update(numbers=[]), "numbers is"),
        (lambda e: e["numbers"].pop("reward"), "has other numbers of"),
        (lambda e: e["numbers"].update(more=1.0), "has other numbers of"),
        (lambda e: e["numbers"].update(seed=3.0), "has other numbers of"),
        (lambda e: e["numbers"].update(delivered_share=None), "delivered_share is None"),
        (lambda e: e["numbers"].update(delivered_share=1.5), "delivered_share is 1.5"),
        (lambda e: e["numbers"].update(delivered_bits=-1.0), "delivered_bits is -1"),
        (lambda e: e["numbers"].update(offered_bits=0.0), "offered_bits is 0"),
        (lambda e: e["numbers"].update(offered_bits="1"), "numbers"),
        (lambda e: e["numbers"].update(offered_bits=1e300), "numbers"),
        (lambda e: e.update(decision_s=None), "has other numbers of"),
        (lambda e: e.update(key=["metro-10", "static-plan"]), "key"),
        (lambda e: e.update(kye=1), "Did you mean 'key'"),
    ],
)
def test_a_journal_with_other_numbers_is_refused(whole, tmp_path, edit, message):
    header, line = (whole[0] / "journal.jsonl").read_text().splitlines()[:2]
    entry = json.loads(line)
    edit(entry)
    (tmp_path / "journal.jsonl").write_text(f"{header}\n{json.dumps(entry)}\n")
    with pytest.raises(InvalidInput, match=message) as refused:
        small_run(tmp_path)
    assert len(str(refused.value)) <= 300
    assert not (tmp_path / "results.json").exists()
