"""Expert iteration: labels are what lookahead sees, fits follow them, and playing decides."""

import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("sb3_contrib")
pytest.importorskip("cmaes")

import torch

from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import InvalidInput
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.inputs import INPUT, INPUT_NAMES
from qkd_gym.scoring.weights import as_vector, starting_weights
from studies import expert
from studies.expert import Study, Unit
from studies.fit import fit, gains, parts, targets
from studies.labels import Labelling, Labels, gather, joined
from studies.page import page
from tests.scoring.observations import random_weights

SMALL = {"scenario": "metro", "n_sites": 8, "bank_size": 2, "episode_s": 1800.0}
FEW = Labelling(episodes=2, share=0.2, candidates=4, futures=3, horizon_s=300.0)
FIT = {"significance": 0.0, "temperature": 0.05, "penalty": 1e-3}


@pytest.fixture(scope="module")
def labelled():
    weights = random_weights(3, hidden=2)
    return weights, gather(FEW, ScoredSchedule(weights), SMALL, 5)


def gains_of(weights, labels):
    vector = torch.as_tensor(as_vector(weights), dtype=torch.float32)
    return gains(parts(vector, weights), Labels(*map(torch.as_tensor, labels))).numpy()


def test_labels_are_of_the_decisions_that_the_schedule_makes(labelled):
    weights, labels = labelled
    assert len(labels.lead) > 10
    found = np.where(labels.exists, gains_of(weights, labels), -np.inf)
    assert (found.argmax(1) == 0).all()
    assert 0 < labels.wants[:, 0].sum() < len(found)
    assert labels.makes_way.any()
    assert (labels.lead[:, 0] == 0.0).all()
    assert (labels.error[labels.lead != 0.0] > 0.0).mean() > 0.9
    again = gather(FEW, ScoredSchedule(weights), SMALL, 5)
    for first, second in zip(labels, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert len(joined([labels, again]).lead) == 2 * len(labels.lead)


def test_gains_of_labels_are_those_of_compiled_code():
    weights = random_weights(4, hidden=1)
    schedule = ScoredSchedule(weights)
    env = gym.make_vec(LINK_SCHEDULING.env_id, 1, **SMALL, split="train")
    obs, _ = env.reset(seed=5)
    labels = gather(dataclasses.replace(FEW, episodes=1, share=1.0), schedule, SMALL, 5)
    for exists, wants, found in zip(
        labels.exists, labels.wants, gains_of(weights, labels), strict=True
    ):
        choices = schedule.choices(obs)
        options = choices.gains[0][np.isfinite(choices.gains[0])]
        largest = np.sort(options)[::-1][: wants.sum()]
        np.testing.assert_allclose(found[wants], largest, rtol=1e-4, atol=1e-5)
        assert (found[~wants] == 0.0).all()
        assert (exists & ~wants).sum() == 1  # to hold
        obs, *_ = env.step(choices.links)


def made_up(decisions=200, seed=0):
    """Decisions to switch one link on or hold, of which ``demand_now`` says what leads."""
    rng, f = np.random.default_rng(seed), len(INPUT_NAMES)
    asked = rng.normal(size=decisions).astype(np.float32)
    on = np.zeros((decisions, 2, f), np.float32)
    on[:, 1, INPUT_NAMES.index("demand_now")] = asked
    on[:, 1, INPUT_NAMES.index("one")] = 1.0
    shape = (decisions, 2)
    lead, error = np.zeros(shape, np.float32), np.full(shape, 0.1, np.float32)
    lead[:, 1] = asked
    wants = np.tile([False, True], (decisions, 1))
    off, way = np.zeros((*shape, 2, f), np.float32), np.zeros((*shape, 2), bool)
    return Labels(np.ones(shape, bool), wants, on, off, way, lead, error)


def test_a_fit_finds_what_leads_and_stays_near_where_the_penalty_says_so():
    labels, start = made_up(), starting_weights()
    chosen = []
    for penalty in (1e-3, 1e3):
        found = fit(start, labels, **{**FIT, "penalty": penalty})
        chosen.append(gains_of(found, labels)[:, 1] > 0.0)
    assert (chosen[0] == (labels.lead[:, 1] > 0.0)).mean() > 0.9
    assert not chosen[1].any()  # as the rule has it


def test_targets_leave_out_what_is_not_significant_and_shrink_the_rest():
    labels = made_up()
    labels.error[:, 1] = np.where(np.arange(200) % 2, 0.1, 1.0)
    found = targets(labels, 1.5)
    is_clear = np.abs(labels.lead) > 1.5 * labels.error
    assert (found[~is_clear] == 0.0).all()
    kept = found[:, 1] / labels.lead[:, 1]
    precise, vague = (kept[is_clear[:, 1] & (labels.error[:, 1] == e)] for e in (0.1, 1.0))
    assert len(vague) > 5
    variance = (labels.lead[:, 1] ** 2).mean() - (labels.error[:, 1] ** 2).mean()
    np.testing.assert_allclose(precise, variance / (variance + 0.01), rtol=0.02)
    np.testing.assert_allclose(vague, variance / (variance + 1.0), rtol=0.02)


def holding():
    """Weights of a schedule that never switches."""
    weights = starting_weights()
    weights.on[INPUT.one] = -1000.0
    return weights


TINY = Study(
    scenario="metro-10",
    labelling=Labelling(episodes=1, share=0.03, candidates=2, futures=2, horizon_s=120.0),
    fits=((0.0, 0.1),),
    compared=2,
    accepting=8,
    episodes=3,
)


@pytest.mark.parametrize("is_better", [True, False])
def test_playing_decides_what_is_accepted(tmp_path, monkeypatch, is_better):
    poor, good = holding(), starting_weights()
    start, found = (poor, good) if is_better else (good, poor)
    monkeypatch.setitem(expert.STARTS, "rule", start)
    monkeypatch.setattr(expert, "fit", lambda *arguments, **told: found)
    unit = Unit(TINY, "rule", 0, tmp_path)
    expert.train(unit)
    run = unit.finished()
    assert [one.accepted for one in run.rounds] == [is_better, False]
    assert (run.rounds[0].trial[0] > 0.0) == is_better
    episodes = expert.held_out(TINY)
    assert run.shares == episodes.shares(good).tolist() != episodes.shares(poor).tolist()
    first, second = (one.labels for one in run.rounds)
    assert first > 0
    # Labels of a schedule that stays add up.
    facts = expert.figures(TINY, {"rule": [run, run]})["starts"]["rule"]
    assert facts["labels"] == (first + second if is_better else second)
    assert second > first or is_better
    assert run.rounds[1].cpu_s > run.rounds[0].cpu_s > 0.0
    # Labels are kept.
    monkeypatch.setattr(expert, "gather", None)
    expert.train(unit)
    assert unit.finished().shares == run.shares
    other = unit._replace(study=dataclasses.replace(TINY, rounds=3))
    assert other.finished() is None


def test_the_study_goes_on_and_writes_its_part_of_the_page(tmp_path, capsys):
    out, work = tmp_path / "out", tmp_path / "work"
    expert.run(2, 1.0, 1, work, out, dataclasses.replace(TINY, rounds=1))
    results = json.loads((out / "studies.json").read_text())
    text = (out / "studies.md").read_text()
    assert text == page(results)
    assert "## Expert iteration" in text
    assert text.count("| after expert iteration | ") == 2
    facts = results["expert"]["starts"]["rule"]
    gained = 100.0 * (facts["delivered_share"] - facts["start"]["delivered_share"])
    assert facts["points_to_start"][0] == pytest.approx(gained)
    assert capsys.readouterr().out.startswith("expert: 4 of 4 trainings are left")
    expert.run(2, 1.0, 1, work, out, dataclasses.replace(TINY, rounds=1))
    assert capsys.readouterr().out.startswith("expert: 0 of 4 trainings are left")
    assert json.loads((out / "studies.json").read_text()) == results


def test_effort_is_the_number_of_labels():
    assert TINY.scaled(3.0) == dataclasses.replace(
        TINY, labelling=dataclasses.replace(TINY.labelling, episodes=3)
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--seeds", "1"], "seeds is 1"), (["--effort", "0"], "effort is 0")],
)
def test_bad_input_is_one_sentence(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        expert.main([*arguments, "--work", str(tmp_path), "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {words}")


def test_a_damaged_training_is_told(tmp_path):
    unit = Unit(TINY, "rule", 0, tmp_path)
    (tmp_path / "rule-0.json").write_text("{")
    with pytest.raises(InvalidInput, match="finished training"):
        unit.finished()
