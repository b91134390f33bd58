"""The study of resilience: what it plays, and that its page says what its figures say."""

import json

import numpy as np
import pytest

pytest.importorskip("cmaes")

from qkd_gym.network import NetworkConfig
from studies import resilience as study
from studies.command import DOCS
from studies.resilience import Setting

FIGURES = DOCS / "resilience.json"


def test_the_page_says_what_its_figures_say():
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert (DOCS / "resilience.md").read_text(encoding="utf-8") == study.page(figures)
    assert set(figures["played"]) == {setting.key for setting in study.settings()}


def test_failures_cost_more_the_more_there_are():
    """In every network and way, of the best rule, as far as intervals tell."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    for network in study.NETWORKS:
        for way in study.WAYS:
            few, many = (
                study.facts(figures, Setting(network, way, share, study.RULES[-1]))["points"]
                for share in (study.SHARES[1], study.SHARES[-1])
            )
            assert many[2] < few[1], (network, way)


def test_two_paths_hide_from_relays_what_one_shows():
    for of_paths in json.loads(FIGURES.read_text(encoding="utf-8"))["relays"].values():
        for name in ("exposed_share", "attack_radius", "delivered_share"):
            assert of_paths["2"][name][2] < of_paths["1"][name][1], name


@pytest.mark.parametrize("network", ["metro", "slovenia"])
def test_the_share_struck_is_what_it_is_called(network):
    n = 20 if network == "metro" else 17
    changes = Setting(network, "central sites", 0.2, "max-weight").changes()
    fault = NetworkConfig(**changes).faults[0]
    assert fault.per_place_hour * fault.mean_s / 3600.0 == pytest.approx(0.2)
    assert (fault.strikes, fault.target) == ("site", "betweenness")
    changes = Setting(network, "busiest links", 0.3, "max-weight").changes()
    assert changes == {"opponent": "busiest", "opponent_links": round(0.3 * n)}
    assert Setting(network, "random links", 0.0, "max-weight").changes() == {}


def test_costs_are_paired_differences():
    calm, struck = (Setting("metro", "random sites", share, "a rule") for share in (0.0, 0.1))
    other = calm._replace(way="busiest links")
    assert other.key == calm.key
    played = {
        calm.key: {"shares": [0.5, 0.9], "recovery_s": 60.0},
        struck.key: {"shares": [0.4, 0.8], "recovery_s": 90.0},
    }
    found = study.facts({"played": played}, struck)
    np.testing.assert_allclose(found["points"], [-10.0] * 3)
    assert found["share"][0] == pytest.approx(0.6)
    assert found["recovery_s"] == 90.0
