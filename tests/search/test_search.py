"""The search: it improves, repeats to the byte, goes on where it was stopped, and knows its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cmaes")

from qkd_gym.errors import InvalidInput
from qkd_gym.scoring.kinds import PATHS, SCHEDULES
from qkd_gym.scoring.paths.inputs import PATH_INPUT
from qkd_gym.scoring.paths.weights import PathWeights
from qkd_gym.scoring.weights import as_vector, from_vector, starting_weights, step_sizes
from qkd_gym.search import search as module
from qkd_gym.search.fitness import Exercise, fitness
from qkd_gym.search.recipe import Practice, SearchRecipe
from qkd_gym.search.search import VALIDATION_SEED, Search
from qkd_gym.workers import Workers
from tests.search.tiny import NETWORK, tiny

ROOT = Path(__file__).parents[2]
ALONE = Workers(None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nobody stopped: its weights, its curve and its journal."""
    journal = tmp_path_factory.mktemp("whole") / "search.jsonl"
    weights, curve = tiny().run(ALONE, journal)
    return as_vector(weights).tobytes(), curve, journal.read_bytes()


def outcome(search, journal, team=ALONE):
    weights, curve = search.run(team, journal)
    return as_vector(weights).tobytes(), curve, journal.read_bytes()


def test_a_search_finds_what_is_known_to_be_better(tmp_path):
    """From weights that never switch a link, of which the share was .53 in validation. Ten seeds
    ended at .733 on average with a standard deviation of .014, six of which lie above the limit."""
    start = starting_weights()
    never = start.on.copy()
    never[0] = -6.0
    holding = SCHEDULES._replace(start=lambda *_: start._replace(on=never))
    recipe = SearchRecipe(population=16, generations=15, spread=6.0)
    search = Search(recipe, (Practice("metro", NETWORK, 8),), seed=0, kind=holding)
    weights, curve = search.run(ALONE, tmp_path / "search.jsonl")
    assert curve[0][1] < 0.55
    assert curve[-1] == (15, search.validate(ALONE, weights))
    assert curve[-1][1] > 0.65


def test_a_search_finds_paths_too(tmp_path):
    """From weights that refuse nearly all, of which the value share was .06 in validation. Ten
    seeds ended between .873 and .886."""
    start = PATHS.start(0, 0)
    strict = start.score.copy()
    strict[PATH_INPUT.one] -= 3.0
    refusing = PATHS._replace(start=lambda *_: start._replace(score=strict))
    recipe = SearchRecipe(population=16, generations=15, spread=6.0)
    practice = Practice("classes", {**NETWORK, "episode_s": 900.0}, 8)
    search = Search(recipe, (practice,), seed=0, kind=refusing)
    weights, curve = search.run(ALONE, tmp_path / "search.jsonl")
    assert isinstance(weights, PathWeights)
    assert curve[0][1] < 0.1
    assert curve[-1][1] > 0.85
    assert curve[-1] == (15, search.validate(ALONE, weights))
    # Eight sites ask for fifteen keys an hour each: thirty within a quarter of an hour.
    assert search.decisions == 15 * 16 * 8 * 30


def test_another_seed_is_another_search(whole, tmp_path):
    weights, _, journal = outcome(tiny(seed=1), tmp_path / "search.jsonl")
    assert weights != whole[0]
    assert journal != whole[2]


def test_candidates_come_with_their_mirror_images_on_new_episodes(tmp_path, monkeypatch):
    played = []

    def note(exercises, weights):
        played.append((exercises, as_vector(weights)))
        return fitness(exercises, weights)

    monkeypatch.setattr(module, "fitness", note)
    search = tiny(generations=2)
    search.run(ALONE, tmp_path / "search.jsonl")
    training = [(e, w) for e, w in played if e[0].config.split == "train"]
    assert len(training) == 8
    start = as_vector(starting_weights(1, 0))
    first, free = training[:4], np.flatnonzero((start > 0.3) | (start < 0.0) | (start == 0.25))
    for (_, one), (_, mirror) in zip(first[:2], first[2:], strict=True):
        # In the rule's interior nothing is cut.
        inside = [i for i in free if i < 5] + list(range(5, len(start)))
        np.testing.assert_allclose((one + mirror)[inside] / 2.0, start[inside], rtol=0.0, atol=1e-6)
    of_first, of_second = ({e.seed for e in training[i][0]} for i in (0, 4))
    assert all(training[i][0] == training[0][0] for i in range(4))
    assert len(of_first) == len(of_second) == 1
    assert abs(min(of_first) - min(of_second)) >= 3  # the most episodes of a practice
    held_back = {e.seed for e, _ in played for e in e if e.config.split == "validation"}
    assert held_back == {VALIDATION_SEED}


def test_the_result_is_a_running_mean_of_the_means(tmp_path, monkeypatch):
    cmaes = pytest.importorskip("cmaes")
    means = []

    class Noted(cmaes.SepCMA):
        def tell(self, solutions):
            super().tell(solutions)
            means.append(self.mean.copy())

    monkeypatch.setattr(cmaes, "SepCMA", Noted)
    weights, _ = tiny().run(ALONE, tmp_path / "search.jsonl")
    running = means[0]
    for mean in means[1:]:
        running = 0.9 * running + 0.1 * mean
    start = starting_weights(1, 0)
    expected = from_vector(as_vector(start) + step_sizes(start) * running, start)
    np.testing.assert_allclose(as_vector(weights), as_vector(expected), rtol=1e-6, atol=1e-7)
    assert len(means) == 4


def test_validation_weighs_the_practices(whole):
    weights = starting_weights(1, 0)
    means = [
        fitness([Exercise(one.config("validation"), one.episodes, VALIDATION_SEED, 1.0)], weights)
        for one in tiny().practices
    ]
    assert means[0] != means[1]
    assert tiny().validate(ALONE, weights) == pytest.approx((means[0] + 0.5 * means[1]) / 1.5)
    assert whole[1][0] == (0, tiny().validate(ALONE, weights))


def test_decisions_are_counted():
    assert tiny().decisions == 4 * 4 * (2 * 30 + 3 * 20)


@pytest.mark.parametrize("calls", [1, 8, 13])
def test_an_interrupted_search_goes_on_to_the_same_weights(whole, tmp_path, monkeypatch, calls):
    left = calls

    def interrupt(exercises, weights):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return fitness(exercises, weights)

    journal = tmp_path / "search.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(module, "fitness", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tiny().run(ALONE, journal)
    kept = journal.read_bytes()
    assert whole[2].startswith(kept)
    assert len(kept) < len(whole[2])
    numbers = []
    weights, curve = tiny().run(ALONE, journal, lambda number, share: numbers.append(number))
    assert (as_vector(weights).tobytes(), curve, journal.read_bytes()) == whole
    assert numbers == [1, 2, 3, 4]


SCRIPT = """
import sys
from pathlib import Path
from qkd_gym.workers import start_workers
from tests.search.tiny import tiny

if __name__ == "__main__":
    with start_workers(2) as team:
        tiny(generations=400).run(team, Path(sys.argv[1]))
"""


def test_a_killed_search_loses_only_the_generation_in_flight(tmp_path):
    """Two workers have searched; one that goes on, or does it all, writes the same journal."""
    script, journal = tmp_path / "script.py", tmp_path / "search.jsonl"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, script, journal], env=environment)
    deadline = time.monotonic() + 240.0
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = journal.read_bytes().split(b"\n")[:-1]
    assert 4 <= len(lines) < 400
    longer = tiny(generations=400)
    done = len(longer.open_journal(journal)[0])
    assert done == len(lines) - 1
    # The same journal again, with half a line at its end as a kill may leave it.
    with journal.open("ab") as file:
        file.write(b'{"shares": [0.5, ')
    again = tmp_path / "again.jsonl"
    stopped = []

    def stop(number, share):
        stopped.append(number)
        if number == done + 1:
            raise KeyboardInterrupt

    for path in (journal, again):
        with pytest.raises(KeyboardInterrupt):
            longer.run(ALONE, path, stop)
    assert journal.read_bytes() == again.read_bytes()
    assert journal.read_bytes().split(b"\n")[: len(lines)] == lines


def test_a_longer_search_goes_on_from_a_shorter_one_with_as_many_validations(tmp_path):
    journal, again = tmp_path / "short.jsonl", tmp_path / "long.jsonl"
    tiny(generations=3).run(ALONE, journal)
    assert outcome(tiny(generations=5), journal)[0] == outcome(tiny(generations=5), again)[0]


@pytest.mark.parametrize(
    "other",
    [
        lambda: tiny(seed=1),
        lambda: tiny(hidden=0),
        lambda: tiny(population=6),
        lambda: tiny(spread=0.4),
        lambda: tiny(generations=40),  # is validated at other generations
        lambda: Search(tiny().recipe, tiny().practices, 0, kind=PATHS),
        lambda: Search(tiny().recipe, tiny().practices[:1], 0),
        lambda: Search(tiny().recipe, tiny().practices[::-1], 0),
    ],
)
def test_a_journal_of_another_search_is_refused(whole, tmp_path, other):
    journal = tmp_path / "search.jsonl"
    journal.write_bytes(whole[2])
    with pytest.raises(InvalidInput, match="is of another run"):
        other().run(ALONE, journal)
    assert journal.read_bytes() == whole[2]


def test_a_journal_of_another_version_is_refused(whole, tmp_path, monkeypatch):
    journal = tmp_path / "search.jsonl"
    journal.write_bytes(whole[2])
    monkeypatch.setattr(module, "__version__", "9.9.9")
    with pytest.raises(InvalidInput, match="is of another run"):
        tiny().run(ALONE, journal)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda e: e["shares"].pop(), "has a generation of 3 candidates, but must have 4"),
        (lambda e: e.update(shares=[None, 0.1, 0.1, 0.1]), r"shares\[0\] is None"),
        (lambda e: e.update(shares=[True, 0.1, 0.1, 0.1]), r"shares\[0\] is True"),
        (lambda e: e.update(shaers=[]), "Did you mean 'shares'"),
        (lambda e: e.update(validation="high"), "validation is 'high'"),
        (lambda e: e.pop("shares"), "lacks the field 'shares'"),
    ],
)
def test_a_damaged_journal_is_refused_before_work(whole, tmp_path, monkeypatch, edit, message):
    header, line = whole[2].splitlines()[:2]
    entry = json.loads(line)
    edit(entry)
    journal = tmp_path / "search.jsonl"
    journal.write_bytes(header + b"\n" + json.dumps(entry).encode() + b"\n")
    monkeypatch.setattr(module, "fitness", lambda *_: pytest.fail("played"))
    with pytest.raises(InvalidInput, match=message) as refused:
        tiny().run(ALONE, journal)
    assert len(str(refused.value)) <= 300
