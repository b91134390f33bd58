"""Work that is shared: the same results and the same errors whoever does it."""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.workers import (
    Workers,
    add_workers,
    call,
    start_workers,
    usable_cores,
    worker_count,
)

OTHERS_S = 0.5  # by which a slow unit is behind the others


def square(unit):
    time.sleep(OTHERS_S if unit == 0 else 0.0)
    return unit**2, os.getpid()


def refuse(unit):
    """Fails for odd units, the first of them last."""
    time.sleep(OTHERS_S if unit == 1 else 0.0)
    if unit % 2:
        raise InvalidInput(f"unit is {unit}, but must be even.")
    return unit


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_units(workers):
    told = {}
    with start_workers(workers) as team:
        # The first unit is the last to be done by several.
        results = team.do(square, range(6), lambda index, result: told.update({index: result}))
        again = team.do(call, [partial(square, unit) for unit in (3, 2)])
    assert [value for value, _ in results] == [0, 1, 4, 9, 16, 25]
    assert [value for value, _ in again] == [9, 4]
    assert told == dict(enumerate(results))
    here = {process == os.getpid() for _, process in results}
    assert here == {workers == 1}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_unit_that_fails_is_the_error(workers):
    told = []
    with (
        pytest.raises(InvalidInput, match=r"^unit is 1, but must be even\.$"),
        start_workers(workers) as team,
    ):
        team.do(refuse, range(20), lambda index, result: told.append(index))
    assert 0 in told
    assert not set(told) & {1, 3}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_told_may_end_the_work(workers):
    def stop(index, result):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), start_workers(workers) as team:
        team.do(square, range(3), stop)


def test_nothing_to_do_is_nothing():
    with start_workers(2) as team:
        assert team.do(square, []) == []


def test_whatever_submits_can_do_the_work():
    """As a backend on other machines would: no process of ours, futures of its own."""
    with ThreadPoolExecutor(3) as pool:
        team = Workers(pool.submit)
        assert [value for value, _ in team.do(square, range(4))] == [0, 1, 4, 9]
        with pytest.raises(InvalidInput, match="unit is 1,"):
            team.do(refuse, range(20))


def test_what_a_number_of_workers_means(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert usable_cores() == worker_count("auto") == 3
    assert worker_count(1) == 1
    assert worker_count(np.int64(4)) == 4
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
    for bad in (0, -1, 1025, 1.5, True, "2", "all", None, [1], 10**30):
        with pytest.raises(InvalidInput, match=r"^workers is .*, but must be 'auto' or an integer"):
            worker_count(bad)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ([], "auto"),
        (["--workers", "auto"], "auto"),
        (["--workers", "3"], 3),
        (["--workers", "0"], 0),
        (["--workers", "many"], "many"),
    ],
)
def test_the_option_hands_over_what_was_written(words, meaning):
    parser = argparse.ArgumentParser()
    add_workers(parser)
    assert parser.parse_args(words).workers == meaning
