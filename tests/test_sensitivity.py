"""Every parameter of `metro` has its source, and the page says what its figures say."""

import json

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from qkd_gym.network.config import FIELDS
from studies import sensitivity
from studies.command import DOCS
from studies.sources import SOURCES

FIGURES = DOCS / f"{sensitivity.NAME}.json"
# Of drift, hidden quality, weather, faults and demand.
KINDS = ("misalignment", "drift", "site_", "link_", "measured", "clear", "fog", "outage", "attack")
KINDS += ("load", "request", "gravity", "diurnal", "hot_spot", "burst")


def test_every_number_has_its_source():
    # A word is no number that could be halved.
    asked = {name for name in FIELDS if name.startswith(KINDS)} - {"attack_target"}
    assert set(SOURCES) == asked
    assert all(SOURCES.values())


def test_the_page_says_what_its_figures_say():
    results = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert list(results["parameters"]) == list(SOURCES)
    assert len(results["metro"]["shares"]) >= 6
    page = FIGURES.with_suffix(".md").read_text(encoding="utf-8")
    assert page == sensitivity.page(results), "python -m studies.sensitivity"


def test_values_are_half_and_double_and_in_range():
    assert sensitivity.values("drift_std") == {"halved": 0.004, "doubled": 0.016}
    assert sensitivity.values("diurnal_amplitude") == {"halved": 0.3, "doubled": 1.0}
    assert sensitivity.values("burst_sources") == {"halved": 1, "doubled": 6}
    for name in SOURCES:
        for value in sensitivity.values(name).values():
            sensitivity.NetworkConfig(**{name: value})


def test_changes_of_the_order_are_told_and_clear_ones_in_bold():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(100)
    base = sensitivity.facts({"a": 0.6 + noise, "b": 0.5 + noise, "c": 0.4 + noise})
    assert sensitivity.order(base) == ["a", "b", "c"]
    assert sensitivity.told(base, base) == "the same"
    level = 0.5 + noise
    level -= level.mean()
    now = sensitivity.facts({"a": 0.5 + noise, "b": 0.6 + noise, "c": 0.5 - 1e-4 + noise + level})
    assert sensitivity.told(now, base) == "**b before a**"
    even = sensitivity.facts({"a": 0.6 + level, "b": 0.6 + 1e-6 - level, "c": 0.4 + noise})
    assert sensitivity.told(even, base) == "b before a"
