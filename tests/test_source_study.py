"""The page of the source study says what its figures say, and these are what is measured."""

import json

import numpy as np
import pytest

from studies import source_study
from studies.source_page import published

FIGURES = source_study.ROOT / "docs" / "source-study.json"


def test_the_page_is_current():
    page = FIGURES.with_suffix(".md").read_text(encoding="utf-8")
    assert page == source_study.text(), "python -m studies.source_study"


def test_figures_of_networks_and_links_are_measured_again():
    found = json.loads(FIGURES.read_text(encoding="utf-8"))
    for n_sites in (10, 20):
        for name, values in source_study.of_size(n_sites).items():
            assert found["sizes"][str(n_sites)][name][0] == pytest.approx(values.mean()), name
    again = source_study.of_one_link()
    assert again["theirs"]["qber"] == pytest.approx(found["one link"]["theirs"]["qber"])
    assert again["protocols"] == pytest.approx(found["one link"]["protocols"])


def test_growth_is_an_exponent():
    squares = {n: 3.0 * n**2.0 * np.array([1.0, 2.0]) for n in (10, 20, 50)}
    assert source_study.growth(squares) == pytest.approx((2.0, 2.0, 2.0))


def test_published_rows_are_those_of_the_first_section_that_has_them():
    results = """# Results

## metro

| policy | share |
| --- | ---: |
| one | 0.1 |

## hidden

| policy | share |
| --- | ---: |
| two | 0.2 |

# All rules

## metro

| policy | share |
| --- | ---: |
| one | 0.3 |
| two | 0.4 |
"""
    assert published(results, "metro", "one") == {"policy": "one", "share": "0.1"}
    assert published(results, "metro", "two")["share"] == "0.4"
    with pytest.raises(LookupError, match=r"'one' for 'hidden'"):
        published(results, "hidden", "one")
