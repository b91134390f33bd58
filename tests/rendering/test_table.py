"""Scenes as text."""

import dataclasses
import re

import numpy as np

from qkd_gym.rendering import LinkState, table
from qkd_gym.rendering.past import Request, Sums
from qkd_gym.rendering.table import text_of
from qkd_gym.rendering.words import fitted, quantity
from tests.rendering.scenes import faulty, scene


def test_the_table_says_what_runs():
    view = scene("vienna")
    state = np.array([1, 2, 3, 0, 0, 0, 0, 0], np.int8)
    fills = np.linspace(0.0, 1.0, 8) * view.pool_capacity_bits
    view = dataclasses.replace(
        view,
        state=state,
        pool_bits=fills.astype(np.int64),
        qber=np.array([0.0213, np.nan, 0.5, *[0.0] * 5]),
        rate_bps=np.array([12_345.0, np.nan, 0.0, *[0.0] * 5]),
        elapsed_s=600.0,
        sums=Sums(10.0, 7.0, 2.0),
    )
    lines = text_of(view).splitlines()
    assert lines[0] == "vienna, 10 of 150 min: 70.0 % delivered, 20.0 % blocked"
    assert lines[1] == "links: 5 inactive, 1 active, 1 calibrating, 1 no key"
    names = [
        " – ".join(view.topology.site_names[site] for site in ends)
        for ends in view.topology.link_endpoints[:3]
    ]
    cells = [re.split(r"  +", line) for line in lines[2:]]
    assert cells == [
        ["link", "state", "pool", "QBER", "rate"],
        [names[0], "active", "0 %", "2.1 %", "12.3 kbit/s"],
        [names[1], "calibrating", "14 %", "–", "–"],
        [names[2], "no key", "29 %", "50.0 %", "0 bit/s"],
    ]


def test_the_table_tells_of_the_last_request():
    view = scene("vienna", "Routing")
    refused = dataclasses.replace(view, request=Request((0, 1), 1_200_000, (), "waits"))
    assert "\nrequest St. Poelten – Breitenfurt…, 1.2 Mbit refused, waits\n" in text_of(refused)


def test_the_table_tells_of_alarms_and_windows():
    view = scene("vienna", state=np.array([1, *[0] * 7], np.int8))
    assert "faults" not in text_of(view)
    view = faulty(view, alarm=[0, 2], window=[2, 3])
    view.faults.window_in_s[3] = 0.0
    lines = text_of(view).splitlines()
    assert lines[1].endswith("0 no key; 2 with an alarm, 2 with a planned window")
    cells = [re.split(r"  +", line) for line in lines[2:]]
    # Active links, and those that are off of which something is known.
    assert [row[1] for row in cells] == ["state", "active", "inactive", "inactive"]
    assert [row[-1] for row in cells] == [
        "faults",
        "alarm for 3 min",
        "alarm for 3 min, planned window in 20 min",
        "planned window, 30 min left",
    ]


def test_many_links_are_cut_and_names_move_no_cursor(monkeypatch):
    monkeypatch.setattr(table, "_MOST_ROWS", 3)
    view = scene("vienna", name="\x1b[2Jx", state=np.full(8, LinkState.ACTIVE, np.int8))
    lines = text_of(view).splitlines()
    assert len(lines) == 2 + 1 + 3 + 1
    assert lines[-1] == "... and 5 more"
    assert "\x1b" not in lines[0]


def test_quantities_have_three_digits_and_a_prefix():
    values = (0.0, 12.34, 999.6, 12_345.0, 5e6, 2e9, 3e15, float("nan"))
    texts = ["0 bit", "12.3 bit", "1 kbit", "12.3 kbit", "5 Mbit", "2 Gbit", "3e+03 Tbit", "–"]
    assert [quantity(value, "bit") for value in values] == texts


def test_texts_are_shortened_until_they_fit():
    assert fitted("abc", 3, len) == "abc"
    assert fitted("abcdef", 4, len) == "abc…"
    assert fitted("ab cdef", 4, len) == "ab…"
