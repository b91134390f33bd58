"""A search for parameters: best first, resumable, and the same whoever plays its trials."""

import json

import pytest

from qkd_gym.benchmark.tuning import choose, current_parameters, ship, tune
from qkd_gym.errors import InvalidInput

SMALL = {"scenario": "metro", "n_sites": 8, "bank_size": 2, "episode_s": 1800.0}
SEARCH = {"episodes": 2, "trials": 3, "sweeps": 2, "seed": 1, **SMALL}


def test_tuning_returns_trials_best_first_and_never_worse_than_the_defaults():
    trials = tune("lowest-pool-first", episodes=2, trials=2, sweeps=0, **SMALL)
    shares = [trial.value_share for trial in trials]
    assert shares == sorted(shares, reverse=True)
    shipped = [current_parameters("lowest-pool-first", name) for name in (None, "metro")]
    tried = [trial.parameters for trial in trials]
    assert all(parameters in tried for parameters in shipped)
    assert len(trials) >= 3
    with pytest.raises(InvalidInput, match="static-plan"):
        tune("static-plan")


def test_tuning_goes_on_from_its_journal(tmp_path):
    journal = tmp_path / "journal.jsonl"
    search = {"episodes": 2, "trials": 3, "sweeps": 0, "journal": journal, **SMALL}
    told = []
    whole = tune("max-weight", on_trial=told.append, **search)
    assert len(told) == len(whole) == 4
    lines = journal.read_bytes().splitlines(keepends=True)
    # As a killed process leaves it: two whole trials and a half.
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    told.clear()
    assert tune("max-weight", on_trial=told.append, **search) == whole
    assert len(told) == 2
    with pytest.raises(InvalidInput, match="another run"):
        tune("max-weight", **{**search, "episodes": 3})


def test_the_choice_is_made_on_other_episodes_and_ships(tmp_path):
    trials = tune("threshold", episodes=2, trials=2, sweeps=0, **SMALL)
    choice = choose("threshold", trials=trials, episodes=4, **SMALL)
    assert choice.gain.mean >= 0.0
    ship(tmp_path / "tuned.json", "threshold", "metro", choice, "python -m qkd_gym tune")
    table = json.loads((tmp_path / "tuned.json").read_text())
    assert table["metro"]["threshold"]["parameters"] == choice.parameters


def test_processes_change_neither_trials_nor_choice(tmp_path):
    found, choices, entries = [], [], []
    for workers in (1, 2):
        journal, told = tmp_path / f"{workers}.jsonl", []
        search = {**SEARCH, "workers": workers, "journal": journal}
        found.append(tune("threshold", on_trial=told.append, **search))
        choices.append(choose("threshold", trials=found[-1], episodes=4, workers=workers, **SMALL))
        assert sorted(told, key=str) == sorted(found[-1], key=str)
        entries.append(sorted(map(str, map(json.loads, journal.open()))))
    assert found[0] == found[1]
    assert choices[0] == choices[1]
    # The order of the trials is that in which they came.
    assert entries[0] == entries[1]


def test_a_bad_number_of_workers_is_told_before_the_journal(tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(InvalidInput, match="workers is 0"):
        tune("threshold", journal=journal, workers=0, **SEARCH)
    assert not journal.exists()
