"""The shipped check passes the stock, and names what others break."""

import numpy as np
import pytest

from qkd_gym.opponents.stock import STOCK
from qkd_gym.testing import check_opponent

SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 1200.0}


@pytest.mark.parametrize("name", STOCK)
def test_the_stock_keeps_every_promise(name):
    check_opponent(STOCK[name], steps=30, **SMALL)


class Breaks:
    def __init__(self, predict):
        self.predict = predict


def count_calls(view, calls=[0.0]):  # noqa: B006
    calls[0] += 1.0
    return view.random + calls[0]


@pytest.mark.parametrize(
    ("predict", "words"),
    [
        (None, "must have a method predict"),
        (lambda view: view.elapsed_s, "must return numbers of shape"),
        (lambda view: view.random.tolist(), "must return numbers of shape"),
        (count_calls, "answered alike"),
        (lambda view: view.random / view.random.max(), "alone must be answered as beside others"),
    ],
)
def test_what_is_broken_is_named(predict, words):
    opponent = Breaks(predict)
    with pytest.raises(AssertionError, match=words):
        check_opponent(opponent, steps=2, **SMALL)


def test_it_is_the_opponent_that_plays():
    seen = []

    def predict(view):
        seen.append((view.attack_left_s > 0.0).sum())
        return np.where(view.is_lit, view.traffic_bps, 0.0)

    check_opponent(Breaks(predict), steps=10, **SMALL)
    assert max(seen) > 0
