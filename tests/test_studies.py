"""Studies of training: what is counted, what is kept, and a page that says what its figures say."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")
pytest.importorskip("cmaes")

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.agents import shipped_agent
from qkd_gym.baselines.portfolio import members
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.sb3.recipe import Recipe
from qkd_gym.scoring import save_scored, shipped_schedule
from qkd_gym.search.recipe import SearchRecipe
from studies import __main__ as command
from studies import comparison, expert_page, figures, training
from studies.command import DOCS
from studies.comparison import (
    FIXED,
    SEARCHED,
    Played,
    PlayUnit,
    Tuned,
    play_setting,
    rule_units,
)
from studies.forms import STUDIES, Form, Study, WithoutNetwork, with_policy
from studies.page import page
from studies.settings import COMPARISONS, RULES, Comparison, Setting, Tuning
from studies.training import Run, Unit, Validated, Watch

PPO = Recipe(num_envs=4, ppo={"n_steps": 8, "batch_size": 32, "n_epochs": 1})
HOUR = {"episode_s": 1800.0}
TINY = Study(
    "Tiny",
    "vienna",
    64,
    {
        "search": Form("search", SearchRecipe(population=4, generations=3, episodes=2), HOUR),
        "nothing": Form("from nothing", PPO, HOUR),
        "schedule": Form("from the schedule", PPO, HOUR, starts_from="search"),
    },
    episodes=2,
    validations=3,
)


FIGURES = DOCS / "studies.json"


@pytest.mark.skipif(not FIGURES.exists(), reason="no study has been published")
def test_the_page_says_what_its_figures_say():
    results = json.loads(FIGURES.read_text())
    assert set(results) <= {*STUDIES, *COMPARISONS, expert_page.NAME}
    assert (DOCS / "studies.md").read_text(encoding="utf-8") == page(results)
    for name, facts in results.items():
        if name in STUDIES:
            assert list(facts["forms"]) == [f for f in STUDIES[name].forms if f in facts["forms"]]
        elif name in COMPARISONS:
            assert list(facts["settings"]) == list(COMPARISONS[name].settings)
        assert facts["seeds"] >= 5


def test_forms_of_a_study_differ_in_one_thing():
    """What a form starts from, its policy or its environment; never its length."""
    for name, study in STUDIES.items():
        told = [
            repr((form.recipe, form.changes, form.starts_from)) for form in study.forms.values()
        ]
        assert len(set(told)) == len(told), name
        for form in study.forms.values():
            assert form.starts_from in ("", *study.forms)


def test_some_forms_come_with_what_they_start_from():
    study = STUDIES["learning"]
    assert study.of([]) == study
    assert list(study.of(["schedule"]).forms) == ["search", "schedule"]
    assert list(study.of(["rule", "nothing"]).forms) == ["nothing", "rule"]
    assert study.of(["rule"]).steps == study.steps


def test_effort_is_the_length_of_every_training_and_nothing_else():
    study = STUDIES["learning"]
    assert study.scaled(1.0) == study
    half = study.scaled(0.5)
    assert (half.steps, half.validations, half.episodes) == (study.steps / 2, 4, study.episodes)
    search, whole = half.forms["search"].recipe, study.forms["search"].recipe
    assert search == dataclasses.replace(whole, generations=whole.generations // 2)
    assert half.forms["schedule"] == study.forms["schedule"]
    least = study.scaled(1e-9)
    assert (least.steps, least.validations, least.forms["search"].recipe.generations) == (1, 3, 1)


def test_validations_take_no_time(monkeypatch, tmp_path):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(training.time, "process_time", lambda: next(clock))

    class Result:
        metrics = {"delivered_share": np.array([0.2, 0.4]), "mean_qber": np.array([0.1, np.nan])}  # noqa: RUF012

        def mean(self):
            next(clock)  # of a long validation
            return 0.3

    monkeypatch.setattr(training, "evaluate", lambda *arguments, **more: Result())
    watch = Watch(Unit(TINY, "nothing", 0, tmp_path), 100.0)
    assert [watch.share("a policy") for _ in range(3)] == [0.3] * 3
    assert [one.cpu_s for one in watch.validations] == [110.0, 120.0, 130.0]
    assert watch.validations[0].mean_qber == [0.1, None]


def made_up(share, cpu_s):
    rows = [Validated(cpu_s * i, [share, share + 0.2], [0.02, None]) for i in (1, 2)]
    return Run("", [0.0, 64.0], rows)


def test_figures_are_means_over_seeds_of_paired_differences(monkeypatch):
    rule = np.array([0.3, 0.6])
    monkeypatch.setattr(figures, "reference", lambda study, name: rule)
    runs = {"search": [made_up(0.5, 10.0), made_up(0.7, 30.0)]}
    runs["nothing"] = runs["search"]
    runs["schedule"] = [made_up(0.5, 50.0), made_up(0.5, 70.0)]
    found = figures.figures(TINY, runs)
    first, last = found["forms"]["search"]
    assert (first["steps"], last["steps"]) == (0.0, 64.0)
    assert last["cpu_s"] == 40.0
    assert last["delivered_share"].mean == pytest.approx(0.7)
    mean, low, high = last["points"]["demand-deficit"]
    assert mean == pytest.approx(100.0 * (0.7 - rule.mean()))
    assert low < mean < high
    assert last["points_by_seed"] == pytest.approx([15.0, 35.0])
    # Paired by seed and episode: of the first form to itself there is nothing left.
    assert tuple(found["points_to_first"]["nothing"]) == (0.0, 0.0, 0.0)
    mean, low, high = found["points_to_first"]["schedule"]
    assert (mean, low, high) == pytest.approx((-10.0, -20.0, 0.0))
    # What the schedule's trainings start from was paid by the search.
    assert found["cpu_minutes"] == pytest.approx((80.0 + 80.0 + 240.0 - 80.0) / 60.0)


@pytest.mark.parametrize(
    ("policy", "learns", "is_zero"),
    [
        ({}, False, False),
        ({"features_extractor_kwargs": {"frozen": False}}, True, False),
        ({"features_extractor_class": WithoutNetwork}, False, True),
    ],
    ids=["frozen", "tuned", "none"],
)
def test_variants_change_the_viability_network_alone(policy, learns, is_zero):
    small = dataclasses.replace(with_policy(**policy), num_envs=2, ppo=PPO.ppo)
    env = small.environment(LINK_ACTIVATION.env_id, {"n_sites": 8, "bank_size": 1})
    made = small.model(env, 0, None).policy
    extractor = made.features_extractor
    assert all(weight.requires_grad == learns for weight in extractor.viability.parameters())
    inputs = extractor.encode(made.prepare(env.reset())).observation["link_inputs"]
    features = env.observation_space["links"].shape[1]
    embedding = inputs[..., features : features + extractor.viability.hidden]
    assert (embedding == 0.0).all() == is_zero
    assert not made.adviser


def test_a_training_of_something_else_is_not_taken_for_finished(tmp_path):
    unit = Unit(TINY, "schedule", 0, tmp_path)
    training.write_json(unit.file, {"key": training.key(unit), "steps": [], "validations": []})
    assert training.finished(unit) is not None
    other = dataclasses.replace(PPO, learning_rate=0.5)
    slower = {**TINY.forms, "schedule": dataclasses.replace(TINY.forms["schedule"], recipe=other)}
    longer = dataclasses.replace(TINY.forms["search"].recipe, generations=4)
    before = {**TINY.forms, "search": dataclasses.replace(TINY.forms["search"], recipe=longer)}
    for changes in ({"forms": slower}, {"forms": before}, {"steps": 96}, {"scenario": "madrid"}):
        assert training.finished(unit._replace(study=dataclasses.replace(TINY, **changes))) is None
    titled = {n: dataclasses.replace(form, title="other") for n, form in TINY.forms.items()}
    assert training.finished(unit._replace(study=dataclasses.replace(TINY, forms=titled)))
    unit.file.write_text("{")
    with pytest.raises(InvalidInput, match="finished training"):
        training.finished(unit)


SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 1800.0}
QUICK = Tuning(episodes=2, trials=1, sweeps=0, decision_episodes=2)
SETTINGS = Comparison("Tiny", "pools", {"small": Setting("metro", SMALL)}, QUICK, episodes=3)


def test_policies_of_a_setting_play_the_same_held_out_episodes(tmp_path):
    """What is said to be a rule or an agent is what `evaluate` plays under its name."""
    setting, parameters = SETTINGS.settings["small"], {"hysteresis": 3.0}
    rules = {RULES[0]: Tuned("", parameters, 0.5, 0.0), RULES[1]: Tuned("", {}, 0.4, 0.0)}
    searched = tmp_path / "searched.json"
    save_scored(searched, shipped_schedule("real").weights, {})
    played = play_setting(PlayUnit(setting, 3, rules, [searched, searched]))
    assert played.rule == RULES[0]

    def shares(policy):
        result = evaluate(policy, None, 3, HELD_OUT_SEED, scenario="metro", **SMALL)
        return result.metrics["delivered_share"]

    assert played.rule_shares.tolist() == shares(make_policy(RULES[0], **parameters)).tolist()
    assert played.shares[FIXED].tolist() == shares(RULES[0]).tolist()
    for name in ("agent:metro", "agent:portfolio"):
        policy = shipped_agent(name.removeprefix("agent:"))
        assert played.shares[name] == pytest.approx(shares(policy))
    assert played.chosen in {member.name for member in members()}
    assert played.shares[SEARCHED] == pytest.approx(
        np.tile(shares(shipped_schedule("real")), (2, 1))
    )
    assert not np.allclose(played.rule_shares, played.shares[FIXED])


def test_points_of_settings_are_to_the_rule_tuned_there():
    shares = {FIXED: np.array([0.2, 0.4]), SEARCHED: np.array([[0.5, 0.7], [0.7, 0.9]])}
    one = Played(RULES[0], np.array([0.3, 0.5]), "metro", shares)
    other = one._replace(rule_shares=np.array([0.1, 0.3]), rule=RULES[1])
    two = dataclasses.replace(SETTINGS, settings={"one": Setting(), "other": Setting("vienna")})
    found = comparison.figures(two, [one, other])
    assert found["settings"]["other"]["rule"] == RULES[1]
    assert found["settings"]["one"]["delivered_share"] == pytest.approx(0.4)
    assert found["settings"]["one"]["points"][FIXED].mean == pytest.approx(-10.0)
    assert found["settings"]["other"]["points"][SEARCHED].mean == pytest.approx(50.0)
    assert found["mean"][SEARCHED] == pytest.approx((40.0, 30.0, 50.0))
    assert found["mean"][FIXED].mean == pytest.approx(0.0)


def test_a_rule_tuned_for_something_else_is_not_taken_for_finished(tmp_path):
    (unit, _) = rule_units(SETTINGS, tmp_path)
    training.write_json(
        unit.file, {"key": unit.key, "parameters": {}, "training_share": 0.5, "cpu_s": 1.0}
    )
    assert unit.finished() is not None
    larger = Setting("metro", {**SMALL, "pool_capacity_bits": 1_000_000_000})
    for changes in ({"setting": larger}, {"tuning": Tuning()}):
        assert unit._replace(**changes).finished() is None
    assert len({one.file for one in rule_units(COMPARISONS["pools"], tmp_path)}) == 10


@pytest.mark.slow
def test_a_comparison_goes_on_and_writes_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(COMPARISONS, "pools", SETTINGS)
    monkeypatch.setitem(STUDIES, "learning", TINY)
    work, out = tmp_path / "work", tmp_path / "out"
    command.run("pools", 2, 1.0, 1, work, out)
    assert "2 tunings and 2 searches; 2 and 2 are left" in capsys.readouterr().out
    first = (out / "studies.md").read_text()
    assert "| small | " in first
    assert {path.name for path in out.iterdir()} == {
        "studies.json",
        "studies.md",
        "studies-pools.png",
    }
    (work / "pools" / "small-LinkScheduling-max-weight.json").unlink()
    command.run("pools", 2, 1.0, 1, work, out)
    assert "1 and 0 are left" in capsys.readouterr().out
    assert (out / "studies.md").read_text() == first


def test_bad_input_is_one_sentence(tmp_path, capsys):
    for arguments, words in (
        (["lerning"], "Did you mean 'learning'"),
        (["learning", "--forms", "serch"], "Did you mean 'search'"),
        (["pools", "--forms", "search"], "must be left out for pools"),
        (["learning", "--seeds", "1"], "seeds is 1"),
        (["learning", "--effort", "0"], "effort is 0"),
        (["learning", "--workers", "0"], "workers is 0"),
    ):
        with pytest.raises(SystemExit) as stopped:
            command.main([*arguments, "--work", str(tmp_path), "--out", str(tmp_path)])
        assert stopped.value.code == 2
        message = capsys.readouterr().err.splitlines()[-1]
        assert message.startswith("error: ")
        assert words in message


@pytest.mark.slow
def test_a_study_goes_on_and_writes_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "learning", TINY)
    work, out = tmp_path / "work", tmp_path / "out"
    command.run("learning", 2, 1.0, 1, work, out)
    results = json.loads((out / "studies.json").read_text())
    text = (out / "studies.md").read_text()
    assert text == page(results)
    assert "| from the schedule |" in text
    assert {path.name for path in out.iterdir()} == {
        "studies.json",
        "studies.md",
        "studies-learning.png",
    }
    forms = results["learning"]["forms"]
    assert forms["search"][0]["steps"] == 0
    assert forms["nothing"][-1]["steps"] == 64
    # It starts where the search has ended, and has paid for it.
    start, end = forms["schedule"][0], forms["search"][-1]
    assert start["delivered_share"] == end["delivered_share"]
    assert start["cpu_s"] > end["cpu_s"]
    kept = {path.name: path.read_bytes() for path in (work / "learning").iterdir()}
    (work / "learning" / "nothing-1.json").unlink()
    capsys.readouterr()
    command.run("learning", 2, 1.0, 1, work, out)
    told = capsys.readouterr().out
    assert "learning: 6 trainings of 0 CPU minutes; 1 are left to do" in told
    for path in (work / "learning").iterdir():
        assert (path.read_bytes() == kept[path.name]) or path.name == "nothing-1.json"
    again = json.loads((out / "studies.json").read_text())["learning"]["forms"]
    for form, rows in forms.items():
        for row, same in zip(rows, again[form], strict=True):
            assert row["delivered_share"] == same["delivered_share"]
