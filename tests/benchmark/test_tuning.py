"""A search for parameters is the same whoever plays its trials."""

import json

import pytest

from qkd_gym.benchmark.tuning import choose, tune
from qkd_gym.errors import InvalidInput

SMALL = {"scenario": "metro", "n_sites": 8, "bank_size": 2, "episode_s": 1800.0}
SEARCH = {"episodes": 2, "trials": 3, "sweeps": 2, "seed": 1, **SMALL}


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
