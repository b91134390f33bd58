"""Measures what the source study claims and writes docs/source-study.md and .json.

Run ``python -m studies.source_study`` from the repository's root; it takes a few minutes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym import __version__
from qkd_gym.baselines import RulePolicy, make_policy
from qkd_gym.evaluation import Interval, bootstrap_interval, evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.features import HOUR_S, LENGTH_SCALE_KM, LINK
from qkd_gym.files import write_bytes, write_json
from qkd_gym.network import NetworkConfig, get_scenario
from qkd_gym.physics import Fiber, FreeSpace, preset
from qkd_gym.planning.matching import heaviest_matching
from qkd_gym.topology import Topology, clustered, source_study
from studies.source_page import page

F64 = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
NAME = "source-study"  # of the page and its figures
SIZES = (10, 20, 50, 100, 250)
SEEDS = 10
MODULES = 2
EPISODES = 100
PRESET = "reference"
# The preset's own misalignment, and the one that gives the study's QBER.
MISALIGNMENT = {"usual": 0.015, "theirs": 0.06}
PROTOCOLS = (PRESET, "spdc", "spdc-e91", "b92", "cv-metro", "mdi")
# Mean lengths of the study's links before and after its optimisation.
BEFORE_KM, AFTER_KM = 7.13, 6.42
# A rule that switches nothing, and the best one.
FIXED, BEST = "static-plan", "demand-deficit"


def of_network(network: Topology) -> dict[str, float]:
    """What the study reports of one network, and the same of the best links for its modules."""
    transmittance = 10.0 ** (-network.loss_db / 10.0)
    protocol = preset(PRESET)
    found = {
        "degree": 2.0 * network.n_links / network.n_sites,
        "links": float(network.n_links),
        "length_km": float(network.length_km.mean()),
    }
    for name, misalignment in MISALIGNMENT.items():
        budget = protocol.evaluate(transmittance, misalignment=misalignment)
        found[f"key_bps, {name}"] = float(budget.key_rate_bps.sum())
        found[f"qber, {name}"] = float(budget.qber.mean())
    rate = protocol.evaluate(transmittance).key_rate_bps
    best = heaviest_matching(network.link_endpoints, rate, MODULES, network.n_sites)
    chosen = {"links": best.sum(), "key_bps": rate[best].sum()}
    chosen["length_km"] = network.length_km[best].mean()
    return {**found, **{f"best {name}": float(value) for name, value in chosen.items()}}


def of_size(n_sites: int, seeds: int = SEEDS) -> dict[str, F64]:
    """`of_network` of the networks with the first seeds, by name, each (seeds,)."""
    rows = [of_network(source_study(n_sites, seed=seed)) for seed in range(seeds)]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    # What switching every link on makes more than the best links for the modules.
    found["all to best"] = found["key_bps, usual"] / found["best key_bps"]
    return found


def growth(sizes: dict[int, F64]) -> Interval:
    """Exponent of the growth of a quantity with the number of sites, over seeds."""
    logarithms = np.log([sizes[n] for n in sizes])
    return bootstrap_interval(np.polyfit(np.log(list(sizes)), logarithms, 1)[0])


def of_one_link() -> dict[str, Any]:
    """QBER and key rate at the study's mean lengths, other protocols, and loss in other media."""
    protocol, lengths = preset(PRESET), np.array([BEFORE_KM, AFTER_KM])
    eta = Fiber().transmittance(lengths)
    found: dict[str, Any] = {}
    for name, misalignment in {"none": 0.0, **MISALIGNMENT}.items():
        budget = protocol.evaluate(eta, misalignment=misalignment)
        found[name] = {
            "qber": budget.qber.tolist(),
            "key_bps": budget.key_rate_bps.tolist(),
        }
    found["protocols"] = {
        name: float(preset(name).evaluate(eta[0]).key_rate_bps) for name in PROTOCOLS
    }
    found["loss_db"] = [float(medium.loss_db(BEFORE_KM)) for medium in (Fiber(), FreeSpace())]
    return found


def free_space_share(seeds: int = SEEDS) -> Interval:
    """Share of the links of `clustered` networks of 20 sites that cross free space."""
    return bootstrap_interval(
        np.array([clustered(20, seed=seed).free_space.mean() for seed in range(seeds)])
    )


class Blind:
    """A rule that sees of every link what a mixture of protocols makes on average at its length.

    Args:
        rule: The rule.
        presets: The protocols that links have, each as likely as the others.
    """

    def __init__(self, rule: RulePolicy, presets: Sequence[str]) -> None:
        self.rule, self.name = rule, f"{rule.name}, blind"
        self.length_km = np.linspace(0.0, 120.0, 481)
        eta, error = Fiber().transmittance(self.length_km), NetworkConfig.misalignment
        rates = [preset(name).evaluate(eta, misalignment=error).key_rate_bps for name in presets]
        hourly = np.mean(rates, axis=0) * HOUR_S / NetworkConfig.pool_capacity_bits
        self.nominal = np.log1p(hourly)

    def predict(
        self, observation: dict[str, Any], *arguments: Any, **more: Any
    ) -> tuple[NDArray[np.int64], Any]:
        """As the rule decides when every link of a length is alike."""
        links = observation["links"].copy()
        length_km = links[..., LINK.length] * LENGTH_SCALE_KM
        links[..., LINK.nominal_rate] = np.interp(length_km, self.length_km, self.nominal)
        return self.rule.predict({**observation, "links": links}, *arguments, **more)


def of_episodes(episodes: int = EPISODES) -> dict[str, Any]:
    """How soon links come back, and the points from seeing which protocol a link has."""

    def played(policy: str | Blind, scenario: str) -> dict[str, F64]:
        return evaluate(policy, episodes=episodes, seed=HELD_OUT_SEED, scenario=scenario).metrics

    def gain(scenario: str) -> Interval:
        config = get_scenario(scenario)
        blind = Blind(make_policy(BEST), (config.preset, *config.hybrid_presets))
        shares = (played(policy, scenario)["delivered_share"] for policy in (BEST, blind))
        seeing, unseeing = shares
        return bootstrap_interval(100.0 * (seeing - unseeing))

    return {
        "recovery_s": {
            rule: bootstrap_interval(played(rule, "metro-outages")["recovery_s"])
            for rule in (FIXED, BEST)
        },
        "seeing": {scenario: gain(scenario) for scenario in ("hybrid", "hybrid-clocks", "metro")},
    }


def figures() -> dict[str, Any]:
    """All measured figures, as mean, low and high end of their 95 % bootstrap intervals."""
    sizes = {n: of_size(n) for n in SIZES}
    every_key = {n: values["key_bps, usual"] for n, values in sizes.items()}
    return {
        "version": __version__,
        "seeds": SEEDS,
        "episodes": EPISODES,
        "sizes": {
            str(n): {name: bootstrap_interval(values) for name, values in of_n.items()}
            for n, of_n in sizes.items()
        },
        "spread of degree": {
            str(n): float(values["degree"].std(ddof=1)) for n, values in sizes.items()
        },
        "growth": {
            "links": growth({n: values["links"] for n, values in sizes.items()}),
            "key": growth(every_key),
            "best key": growth({n: values["best key_bps"] for n, values in sizes.items()}),
            "times": bootstrap_interval(every_key[SIZES[-1]] / every_key[SIZES[0]]),
        },
        "one link": of_one_link(),
        "free space": free_space_share(),
        **of_episodes(),
    }


def text() -> str:
    """The page, from the figures that it publishes and those of other pages."""
    docs = ROOT / "docs"
    measured, viability = (
        json.loads((docs / f"{name}.json").read_text("utf-8")) for name in (NAME, "viability")
    )
    return page(measured, viability, (ROOT / "RESULTS.md").read_text("utf-8"))


def main() -> None:
    """Writes both files."""
    file = ROOT / "docs" / f"{NAME}.json"
    write_json(file, figures())
    write_bytes(file.with_suffix(".md"), text().encode())
    print(f"Wrote {file} and {file.with_suffix('.md')}")


if __name__ == "__main__":
    main()
