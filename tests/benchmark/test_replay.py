"""Episode files: accepted if they replay bit for bit, refused with one sentence if they do not."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest

from qkd_gym.benchmark import available_suites, get_suite, replay
from qkd_gym.benchmark.limits import require_playable
from qkd_gym.benchmark.replay import read_episode, record, validate, write_episode
from qkd_gym.benchmark.table import leaderboard
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.network.scenarios import get_scenario, resolve
from qkd_gym.topology import clustered

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


@pytest.mark.parametrize("kind", ["LinkActivation", "LinkScheduling", "Routing", "Network"])
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


def test_episodes_with_an_opponent_are_accepted_where_it_is_known(tmp_path, monkeypatch):
    monkeypatch.setitem(SMALL, "opponent", "busiest")
    episodes = recorded("demand-deficit", "LinkScheduling")
    paths = [tmp_path / f"{i}.json" for i in range(2)]
    for path, episode in zip(paths, episodes, strict=True):
        write_episode(path, episode)
    assert validate(paths) == episodes
    change(paths[0], lambda c: c["config"].update(opponent="module:Class"))
    with pytest.raises(InvalidInput, match="opponent is 'module:Class', but must be one of"):
        validate(paths)


def test_processes_do_not_change_what_is_validated(files, monkeypatch):
    monkeypatch.setattr(replay, "_BATCH", 1)  # every file is a piece of work
    told = []
    assert validate(files, told.append, workers=2) == validate(files, workers=1)
    assert told == [0, 1, 2]
    for path in files:
        change(path, lambda c: c["totals"].update(reward=1.0))
    messages = set()
    for workers in (1, 2):
        with pytest.raises(InvalidInput, match="claims 'reward'") as refusal:
            validate(files, workers=workers)
        messages.add(str(refusal.value))
    assert len(messages) == 1
    assert str(files[0]) in messages.pop()


def test_episodes_come_back_in_the_order_of_their_files(files):
    """They are played in that of their seeds."""
    backwards = validate(files[::-1])
    assert [episode.seed for episode in backwards] == [4, 3]
    assert backwards[::-1] == validate(files)


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
        (
            lambda c: c["totals"].update(reward=c["totals"]["reward"] * (1 + 1e-15)),
            "claims 'reward'",
        ),
        (lambda c: c["totals"].pop("switches"), "claims 'switches' None"),
        (lambda c: c.update(seed=c["seed"] + 10), "with seed 14 gives"),
        (lambda c: c.update(seed=-1), "seed is -1, but must be"),
        (hold_throughout, "claims"),
        (drop_last, "has 29 actions, but its episode takes 30"),
        (lambda c: c["actions"].append(0), "has 31 actions, but its episode takes 30"),
        (lambda c: c["actions"].__setitem__(0, 10_000), "outside the action space"),
        (lambda c: c["actions"].__setitem__(0, 1.5), "is 1.5, but must be"),
        (lambda c: c["actions"].__setitem__(0, [1, 2]), "outside the action space"),
        (lambda c: c.update(version="0.0.1"), "was made by version '0.0.1'"),
        (lambda c: c["config"].update(load=0.5), "claims"),
        (lambda c: c["config"].update(laod=0.5), "Did you mean 'load'"),
        (lambda c: c.update(env_id="CartPole-v1"), "unknown environment 'CartPole-v1'"),
        (lambda c: c.pop("seed"), "lacks the field 'seed'"),
        (lambda c: c.update(sead=1), "Did you mean 'seed'"),
        (lambda c: c["actions"].__setitem__(0, True), "but must be"),
        (lambda c: c["actions"].__setitem__(0, 10**30), "outside the action space"),
        (lambda c: c.update(actions=100_001 * [0]), "must be a list of length <= 100000"),
        (lambda c: c.update(policy="a | b"), "policy is 'a | b', but must be a text"),
        (lambda c: c.update(scenario="a\n"), "scenario is"),
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
    with pytest.raises(InvalidInput, match="is not there"):
        validate([tmp_path / "absent.json"])
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(InvalidInput, match="not valid JSON"):
        validate([tmp_path / "text.json"])


def test_leaderboard_compares_on_common_seeds():
    good, bad = recorded(episodes=3), recorded("static-plan", episodes=2)
    text = leaderboard([*good, *bad])
    lines = [line for line in text.splitlines() if line.startswith(("| max", "| static"))]
    # Alone on all that it has played, then both on what they share.
    assert [line.split(" | ")[2] for line in lines] == ["3", "2", "2"]
    assert text.index(lines[0]) < text.index("On the episodes that slower") < text.index(lines[1])
    for line, episodes in ((lines[0], good), (lines[1], good[:2])):
        mean = np.mean([e.totals["delivered_bits"] / e.totals["offered_bits"] for e in episodes])
        assert line.startswith(f"| max-weight | LinkActivation | {len(episodes)} | {mean:.4f}")
    with pytest.raises(InvalidInput, match="twice"):
        leaderboard([good[0], good[0]])
    with pytest.raises(InvalidInput, match="no seed in common"):
        leaderboard([good[2], bad[0]])


def test_environments_of_the_same_events_share_a_table():
    episodes = [*recorded(), *recorded(kind="LinkScheduling")]
    text = leaderboard([*episodes, *recorded("max-weight+widest-path", "Network")])
    tables = text.split("## metro")[1:]
    assert [table.count("| 2 |") for table in tables] == [2, 1]
    for words in ("LinkActivation", "LinkScheduling"):
        assert f"| max-weight | {words} | 2 |" in tables[0]
    assert "Events of qkd_gym/LinkActivation-v0, split `test`" in tables[0]
    assert "| max-weight+widest-path | Network | 2 |" in tables[1]
    offered = [episode.totals["offered_bits"] for episode in episodes]
    assert offered[:2] == offered[2:]


def test_the_leaderboard_says_what_faults_cost_and_what_training_took():
    struck, calm, agent = recorded(episodes=2), recorded("static-plan", episodes=2), recorded()
    for k, (each, other) in enumerate(zip(struck, calm, strict=True)):
        each.totals.update(faults=2.0, fault_s=2.0 * (600 + 60 * k), fault_lost_bits=4e6 * (k + 1))
        other.totals.update(faults=0.0, fault_s=0.0, fault_lost_bits=0.0)
    named = [dataclasses.replace(each, policy="agent:metro") for each in agent]
    text = leaderboard([*struck, *calm, *named])
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    columns = [lines[0].index(name) for name in ("recovery (s)", "lost per fault (Mbit)")]
    found = {line[0]: [line[column] for column in columns] for line in lines[2:5]}
    assert found["max-weight"] == ["630", "3.0"]
    assert found["static-plan"] == ["-", "-"]
    section = text.split("## What policies cost")[1]
    assert "| agent:metro | 57.6 million |" in section
    assert "max-weight" not in section
    assert "What policies cost" not in leaderboard(struck)


def test_leaderboard_of_episodes_without_demand_or_split():
    idle = recorded(episodes=1)[0]
    idle.totals.update(offered_bits=0.0, delivered_bits=0.0, blocked_bits=0.0)
    del idle.config["split"]
    text = leaderboard([idle])
    assert "| max-weight | LinkActivation | 1 | - | - |" in text
    assert "split `train`" in text


@pytest.mark.parametrize("kind", ["absolute", "relative", "pipe", "folder"])
def test_an_episode_file_never_has_another_file_read(files, tmp_path, monkeypatch, kind):
    """Whoever opens the pipe waits for ever."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.json").write_text('{"name": "my secret"}')
    os.mkfifo(tmp_path / "pipe.json")
    path = {
        "absolute": str(tmp_path / "secret.json"),
        "relative": "secret.json",
        "pipe": str(tmp_path / "pipe.json"),
        "folder": "../../etc",
    }[kind]
    change(files[1], lambda c: c["config"].update(topology=path))
    with pytest.raises(InvalidInput, match=r"config\.topology is .* and never a file") as refusal:
        validate(files)
    assert "my secret" not in str(refusal.value)
    for field in ("preset", "split", "attack_target"):
        change(files[1], lambda c: c["config"].update(topology="clustered"))
        change(files[1], lambda c, field=field: c["config"].update({field: path}))
        with pytest.raises(InvalidInput, match=f"{field} is") as refusal:
            validate(files)
        assert "my secret" not in str(refusal.value)
        change(files[1], lambda c, field=field: c["config"].pop(field))
    # The scenario is a name for the reports; what is played is the configuration.
    change(files[0], lambda c: c.update(scenario=path))
    assert validate(files[:1])[0].scenario == path


@pytest.mark.parametrize("topology", [None, 3, True, ["madrid"], "madird", "nsfnet", ""])
def test_an_episode_file_names_a_network_of_the_catalogue(files, topology):
    change(files[0], lambda c: c["config"].update(topology=topology))
    with pytest.raises(InvalidInput, match=r"config\.topology is") as refusal:
        read_episode(files[0])
    assert len(str(refusal.value)) <= 300


def test_an_episode_of_a_catalogue_network_is_accepted(tmp_path):
    env_id = "qkd_gym/LinkActivation-v0"
    settings = {"scenario": "madrid", "episode_s": 1800.0}
    result = evaluate("max-weight", env_id, 1, 3, record_actions=True, **settings)
    config = resolve("madrid", {"split": "test", "episode_s": 1800.0})
    facts = "max-weight", env_id, "madrid", config, 3, result.actions[0], result.totals, 0
    write_episode(tmp_path / "episode.json", record(*facts))
    assert validate([tmp_path / "episode.json"])[0].scenario == "madrid"


def test_an_episode_of_ones_own_network_holds_it(tmp_path):
    env_id, path = "qkd_gym/LinkActivation-v0", tmp_path / "mine.json"
    clustered(8, seed=1).save(path)
    settings = {"scenario": str(path), "episode_s": 1800.0}
    result = evaluate("max-weight", env_id, 1, 3, record_actions=True, **settings)
    config = resolve(str(path), {"split": "test", "episode_s": 1800.0})
    facts = "max-weight", env_id, "mine", config, 3, result.actions[0], result.totals, 0
    write_episode(tmp_path / "episode.json", record(*facts))
    path.unlink()
    assert validate([tmp_path / "episode.json"])[0].scenario == "mine"
    assert str(tmp_path) not in (tmp_path / "episode.json").read_text()


@pytest.mark.parametrize(
    ("change_network", "message"),
    [
        (lambda n: n.clear(), "lacks the field 'name'"),
        (lambda n: n["nodes"].extend(n["nodes"] * 20), "has 168 sites, but must have at most 100"),
        (lambda n: n["edges"][0].update(length_km="10"), "length_km is '10'"),
        (lambda n: n.update(path="/etc/passwd"), "no field 'path'"),
    ],
)
def test_a_network_within_an_episode_file_is_checked(files, change_network, message):
    network = clustered(8, seed=1).to_mapping()
    change_network(network)
    change(files[0], lambda c: c["config"].update(topology=network))
    with pytest.raises(InvalidInput, match=message) as refusal:
        validate(files)
    assert len(str(refusal.value)) <= 300


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_sites": 250}, "number of sites is 250, but must be at most 100"),
        ({"bank_size": 1_000_000}, "sites of all networks .* is 8e\\+06, but must be at most 4096"),
        ({"episode_s": 1e9}, "number of decision intervals"),
        ({"requests_per_site_hour": 1000.0, "episode_s": 80_000.0}, "number of requests"),
        ({"burst_off_s": 1e9}, "requests of an interval"),
        ({"key_lifetime_s": 3.2e7}, "key_lifetime_s in decision intervals"),
        ({"n_sites": 100, "candidate_paths": 64}, "candidate paths of all pairs"),
        ({"bank_size": 64, "topology": "source-study", "n_sites": 20}, "must be at most 600"),
        ({"modules_per_site": 100}, "number of modules .* is 800, but must be at most 400"),
        (
            {"hybrid_presets": [f"spdc(brightness=0.0{i})" for i in range(1, 12)]},
            "number of presets is 12",
        ),
        ({"preset": " " * 100_000 + "x("}, "of 100002 characters, but must hold none of more"),
    ],
)
def test_a_validation_is_bounded_in_memory_and_time(files, fields, message):
    change(files[1], lambda c: c["config"].update(fields))
    with pytest.raises(InvalidInput, match=message) as refusal:
        validate(files)
    assert len(str(refusal.value)) <= 300


def test_all_that_the_suites_play_may_be_validated():
    for suite in available_suites():
        for scenario in get_suite(suite).scenarios:
            require_playable(get_scenario(scenario), scenario)
