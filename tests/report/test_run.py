"""What a run's folder says, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.report import read_run
from qkd_gym.report.recording import moments_s, record
from qkd_gym.report.run import AGENT
from tests.report.runs import NETWORK, make_run, player_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def folder(finished, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(finished, tmp_path / "run")


def test_the_best_baseline_and_the_first_episode(finished):
    run = read_run(finished)
    assert run.baseline == "demand-deficit (LinkActivation)"
    assert run.seed == 1_000_000
    assert run.settings == {**NETWORK, "split": "test"}
    assert run.env_id(run.baseline) == "qkd_gym/LinkActivation-v0"
    assert [row.policy for row in run.comparison][-1] == "random"
    assert run.curve.values == [0.5, 0.6, 0.62]
    assert run.curve.references == {"rule that it starts from": 0.5}


@pytest.mark.parametrize("name", [AGENT, "demand-deficit (LinkActivation)"])
def test_the_policies_play_what_the_results_say(finished, name):
    run = read_run(finished)
    again = evaluate(run.policy(name), run.env_id(name), 1, run.seed, **run.settings)
    for metric in ("delivered_share", "mean_qber"):
        assert again.metrics[metric][0] == run.results[name].metrics[metric][0]


def test_a_recording_ends_as_the_results_say(finished):
    run = read_run(finished)
    player = player_of(run)
    times_s, told = moments_s(player), []
    scenes = record(player, times_s, lambda: told.append(1))
    assert len(scenes) == len(told) == 61
    np.testing.assert_array_equal([scene.elapsed_s for scene in scenes], times_s)
    np.testing.assert_array_equal(times_s, np.arange(61) * 60.0)
    assert scenes[-1].sums.delivered_share == run.results[AGENT].metrics["delivered_share"][0]


def test_long_episodes_are_looked_at_now_and_then(finished, monkeypatch):
    monkeypatch.setattr("qkd_gym.report.recording.MOST_MOMENTS", 14)
    run = read_run(finished)
    player = player_of(run)
    np.testing.assert_array_equal(moments_s(player), np.arange(0, 3601, 300))


def test_a_run_without_a_curve_is_one(folder):
    (folder / "learning_curve.json").unlink()
    assert read_run(folder).curve is None


def change(folder, name, edit):
    path = folder / name
    content = json.loads(path.read_text())
    edited = edit(content)
    path.write_text(json.dumps(content if edited is None else edited))


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("metrics.json", lambda c: [], "metrics"),
        ("metrics.json", lambda c: c.pop("agent") and None, "must be of 'agent' and at least one"),
        ("metrics.json", lambda c: {"agent": c["agent"]}, "must be of 'agent' and at least one"),
        ("metrics.json", lambda c: c["agent"].update(episodes=[]), "episodes"),
        ("metrics.json", lambda c: c["agent"]["episodes"][0].pop("seed") and None, "seed"),
        ("metrics.json", lambda c: c["agent"]["episodes"][0].pop("reward") and None, "reward"),
        ("metrics.json", lambda c: c["agent"]["episodes"].pop() and None, "other episodes"),
        ("metrics.json", lambda c: c["agent"].update(env_id="none"), "env_id is 'none'"),
        ("metrics.json", lambda c: c["agent"]["settings"].update(threads=2), "threads"),
        ("learning_curve.json", lambda c: c.update(steps=[]), "has 0 steps and 3 values"),
        ("learning_curve.json", lambda c: c.update(values=["a"]), "learning curve"),
    ],
)
def test_damaged_files(folder, name, edit, words):
    change(folder, name, edit)
    with pytest.raises(InvalidInput) as error:
        read_run(folder)
    assert words in str(error.value)


def test_a_folder_without_results(tmp_path):
    with pytest.raises(InvalidInput, match="metrics .* is not there"):
        read_run(tmp_path)


@pytest.mark.parametrize("field", ["scenario", "topology"])
def test_no_file_is_opened_because_a_run_names_it(folder, field):
    def name_file(content):
        for result in content.values():
            result["settings"][field] = "/etc/secret.json"

    change(folder, "metrics.json", name_file)
    with pytest.raises(InvalidInput, match=f"{field} of the run is the file.*by --scenario"):
        read_run(folder)
    run = read_run(folder, "vienna")
    assert run.settings == {**NETWORK, "split": "test"}


def test_a_baseline_that_is_none_is_told(folder):
    def rename(content):
        content["no-rule"] = content.pop("demand-deficit (LinkActivation)")

    change(folder, "metrics.json", rename)
    run = read_run(folder)
    with pytest.raises(InvalidInput, match="no-rule"):
        run.policy(run.baseline)
