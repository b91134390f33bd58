"""Episode files: accepted if they replay bit for bit, refused with one sentence if they do not."""

from __future__ import annotations

import json

import pytest

from qkd_gym.benchmark import replay
from qkd_gym.benchmark.replay import read_episode, record, validate, write_episode
from qkd_gym.benchmark.table import leaderboard
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import resolve

SMALL = {"scenario": "metro", "n_sites": 8, "bank_size": 2, "episode_s": 1800.0, "split": "test"}


def recorded(policy="max-weight", kind="LinkActivation", episodes=2, seed=3):
    env_id = f"qkd_gym/{kind}-v0"
    result = evaluate(policy, env_id, episodes, seed, record_actions=True, **SMALL)
    config = resolve("metro", {key: value for key, value in SMALL.items() if key != "scenario"})
    return [
        record(
            policy, env_id, "metro", config, result.seeds[i], result.actions[i], result.totals, i
        )
        for i in range(episodes)
    ]


@pytest.fixture
def files(tmp_path):
    paths = []
    for number, episode in enumerate(recorded()):
        paths.append(tmp_path / f"{number}.json")
        write_episode(paths[-1], episode)
    return paths


@pytest.mark.parametrize("kind", ["LinkActivation", "Routing", "Network"])
def test_recorded_episodes_are_accepted(kind, tmp_path):
    policy = {"Routing": "widest-path", "Network": "max-weight+widest-path"}
    episodes = recorded(policy.get(kind, "demand-deficit"), kind)
    paths = [tmp_path / f"{i}.json" for i in range(2)]
    for path, episode in zip(paths, episodes, strict=True):
        write_episode(path, episode)
        assert read_episode(path) == episode
    # Together they are batched with each other, alone they are not.
    assert validate(paths) == episodes
    assert validate(paths[1:]) == episodes[1:]


def change(path, edit, renew_checksum=True):
    content = json.loads(path.read_text())
    edit(content)
    if renew_checksum:
        content["checksum"] = replay._checksum(content)
    path.write_text(json.dumps(content))


def drop_last(content):
    content["actions"].pop()


def hold_throughout(content):
    content["actions"] = [max(content["actions"])] * len(content["actions"])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["totals"].update(delivered_bits=c["totals"]["delivered_bits"] + 1), "claims"),
        (lambda c: c["totals"].update(reward=c["totals"]["reward"] * (1 + 1e-15)), "claims reward"),
        (lambda c: c["totals"].pop("switches"), "claims switches None"),
        (lambda c: c.update(seed=c["seed"] + 10), "with seed 14 gives"),
        (lambda c: c.update(seed=-1), "has a bad seed"),
        (hold_throughout, "claims"),
        (drop_last, "has 29 actions, but its episode takes 30"),
        (lambda c: c["actions"].append(0), "has 31 actions, but its episode takes 30"),
        (lambda c: c["actions"].__setitem__(0, 10_000), "outside the action space"),
        (lambda c: c["actions"].__setitem__(0, 1.5), "outside the action space"),
        (lambda c: c["actions"].__setitem__(0, [1, 2]), "outside the action space"),
        (lambda c: c.update(version="0.0.1"), "was made by version 0.0.1"),
        (lambda c: c["config"].update(load=0.5), "claims"),
        (lambda c: c["config"].update(laod=0.5), "Did you mean 'load'"),
        (lambda c: c.update(env_id="CartPole-v1"), "unknown environment 'CartPole-v1'"),
        (lambda c: c.pop("seed"), "its fields are others"),
    ],
)
def test_what_does_not_replay_is_refused_with_one_sentence(files, edit, message):
    change(files[1], edit)
    with pytest.raises(InvalidInput, match=message) as refusal:
        validate(files)
    assert "\n" not in str(refusal.value)


def test_any_change_shows_in_the_checksum(files):
    change(files[0], lambda c: c.update(policy="mine"), renew_checksum=False)
    with pytest.raises(InvalidInput, match="checksum"):
        validate(files)


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        validate([tmp_path / "absent.json"])
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(InvalidInput, match="no JSON"):
        validate([tmp_path / "text.json"])


def test_leaderboard_compares_on_common_seeds():
    good, bad = recorded(episodes=3), recorded("static-plan", episodes=2)
    text = leaderboard([*good, *bad])
    lines = [line for line in text.splitlines() if line.startswith(("| max", "| static"))]
    assert [line.split(" | ")[1] for line in lines] == ["2", "2"]
    mean = sum(e.totals["delivered_bits"] / e.totals["offered_bits"] for e in good[:2]) / 2
    assert lines[0].startswith(f"| max-weight | 2 | {mean:.4f}")
    with pytest.raises(InvalidInput, match="twice"):
        leaderboard([good[0], good[0]])
    with pytest.raises(InvalidInput, match="no seed in common"):
        leaderboard([good[2], bad[0]])
