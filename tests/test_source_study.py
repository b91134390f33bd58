"""The page of the source study says what its figures say, and these are what is measured."""

import json

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.features import LINK
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


class Recorder:
    """A rule that keeps what it sees."""

    name = "recorder"

    def predict(self, observation, *arguments, **more):
        self.seen = observation
        return np.zeros(1, np.int64), None


def test_the_blind_see_the_length_of_a_link_and_not_its_protocol():
    env = gym.make("qkd_gym/LinkActivation-v0", scenario="hybrid-clocks")
    seen, _ = env.reset(seed=3)
    seen = {key: value[None] for key, value in seen.items()}
    rule, config = Recorder(), env.unwrapped.config
    presets = (config.preset, *config.hybrid_presets)
    source_study.Blind(rule, presets).predict(seen)
    links, blind = seen["links"][0], rule.seen["links"][0]
    there = seen["link_mask"][0].astype(bool) & (links[:, LINK.free_space] == 0)
    # Rates in the order of lengths, and the mean of the protocols on average.
    order = np.argsort(links[there, LINK.length])
    assert (np.diff(blind[there, LINK.nominal_rate][order]) <= 1e-6).all()
    assert not (np.diff(links[there, LINK.nominal_rate][order]) <= 1e-6).all()
    single = gym.make("qkd_gym/LinkActivation-v0", scenario="metro").reset(seed=3)[0]
    single = {key: value[None] for key, value in single.items()}
    source_study.Blind(rule, ("reference",)).predict(single)
    links, blind = single["links"][0], rule.seen["links"][0]
    there = single["link_mask"][0].astype(bool) & (links[:, LINK.free_space] == 0)
    np.testing.assert_allclose(
        blind[there, LINK.nominal_rate], links[there, LINK.nominal_rate], rtol=0.02, atol=1e-3
    )
    # Nothing else changes, and the observation stays as it was.
    others = [column for column in range(links.shape[1]) if column != LINK.nominal_rate]
    np.testing.assert_array_equal(blind[:, others], links[:, others])
    assert rule.seen["links"] is not single["links"]
