"""Regenerates every table and plot about link viability: ``python -m qkd_gym.gnn.study``.

Parts are kept as they are finished, so an interrupted study goes on where it stopped; other
weights or another amount of work start it anew.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.commands import exit_status
from qkd_gym.errors import require_between, require_integer
from qkd_gym.files import require_writable_folder, write_bytes, write_json
from qkd_gym.gnn.data import ViabilityGraph, join, simulate
from qkd_gym.gnn.hidden import REFERENCE, STRONGER, WEAKER, HiddenQuality, draw
from qkd_gym.gnn.mixture import MAX_SITES, MIN_SITES
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.scores import score_network
from qkd_gym.gnn.study.classical_predictors import ClassicalPredictors
from qkd_gym.gnn.study.comparison import compare
from qkd_gym.gnn.study.link_prediction import study_size
from qkd_gym.gnn.study.network_level import network_level, without_limit
from qkd_gym.gnn.study.page import page
from qkd_gym.gnn.study.plots import draw_plots
from qkd_gym.gnn.weights import digest, load_pretrained
from qkd_gym.reading import read_json
from qkd_gym.topology import Topology, available, clustered, load, source_study

SITES = (10, 20, 50, 100, 250)
# Networks of the noise-free task: large ones have so many links that few networks suffice.
_PREDICTION_NETWORKS = {10: 60, 20: 40, 50: 20, 100: 10, 250: 5}
_FITTED_NETWORKS = 3000
_LINKS = 16_000
# Fewer would have calibration errors of .03 by chance alone.
_REAL_LINKS = 8000
_LEVEL_NETWORKS = {10: 150, 20: 100, 50: 60, 100: 60, 250: 60}
_SIMULATED_NETWORKS = {10: 200, 20: 200, 50: 40}
_LARGE_SITES = 250
SETTINGS = {
    "reference": REFERENCE,
    "20 % measured": HiddenQuality(measured_share=0.2),
    "weaker spreads": WEAKER,
    "stronger spreads": STRONGER,
}
SETTING_SITES = (20, 100)
# The catalogue's networks with at most so many links per site also have other spreads, which few
# measurements hardly tell.
_SPARSE = 1.35
_OTHER_SPREADS = ("weaker spreads", "stronger spreads")


class Study:
    """The parts of the study, each a method that returns plain values.

    Args:
        model: The pretrained network.
        effort: Multiplies the number of networks of every part; 1 is what the shipped page shows.
        seed: Seed of everything.

    Attributes:
        fitted_networks: Number of networks that classical predictors are fitted on.
    """

    def __init__(self, model: LinkViabilityGNN, effort: float = 1.0, seed: int = 0) -> None:
        require_between("effort", effort, 0.0, low_open=True)
        require_integer("seed", seed, 0)
        self.model, self.effort, self.seed = model.eval(), effort, seed
        self.fitted_networks = self._count(_FITTED_NETWORKS, 20)
        self._fitted: dict[HiddenQuality, ClassicalPredictors] = {}

    def parts(self) -> dict[str, Callable[[], Any]]:
        """The parts by name, in order."""
        return {
            "noise_free": self.noise_free,
            "sizes": self.sizes,
            "settings": self.settings,
            "real": self.real,
            "sparse": self.sparse,
            "simulator": self.simulator,
            "network_level": self.network_level,
            "without_limit": self.without_limit,
            "timings": self.timings,
        }

    def noise_free(self) -> dict[str, Any]:
        """The source study's link prediction, by number of sites."""
        return {
            str(n): {"networks": self._count(count, 5), **study_size(n, self._count(count, 5))}
            for n, count in _PREDICTION_NETWORKS.items()
        }

    def sizes(self) -> dict[str, Any]:
        """Viability in the reference setting, by number of sites."""
        return {
            str(n): compare(self.model, self._predictors(REFERENCE), self._metros(n, 1))
            for n in tqdm(SITES, desc="sizes")
        }

    def settings(self) -> dict[str, Any]:
        """Viability in other settings, by setting and number of sites.

        The classical predictors are fitted to each setting, the graph network is not.
        """
        return {
            f"{name}, {n} sites": compare(
                self.model,
                self._predictors(setting),
                self._metros(n, 2, setting),
                setting,
                samples=300,
            )
            for name, setting in tqdm(SETTINGS.items(), desc="settings")
            for n in SETTING_SITES
        }

    def real(self) -> dict[str, Any]:
        """Viability on real topologies in the reference setting."""
        return self._real(available(), REFERENCE)

    def sparse(self) -> dict[str, Any]:
        """Viability on sparse real topologies with other spreads, by setting and topology."""
        sizes = {name: load(name) for name in available()}
        names = [name for name, t in sizes.items() if t.n_links <= _SPARSE * t.n_sites]
        return {name: self._real(names, SETTINGS[name]) for name in _OTHER_SPREADS}

    def simulator(self) -> dict[str, Any]:
        """Viability in the simulator's scenario with hidden quality, unseen networks."""
        found = {}
        for n, count in _SIMULATED_NETWORKS.items():
            graphs = simulate(n, self._count(count, 8), self.seed + 104, split="test")
            found[str(n)] = score_network(self.model, graphs)
        return found

    def network_level(self) -> dict[str, Any]:
        """Key rate of the links that each rule activates, by number of sites."""
        found = {}
        for n in tqdm(SITES, desc="module limits"):
            graphs = self._draw(clustered, self._count(_LEVEL_NETWORKS[n], 2), 5, n)
            rules = network_level(self.model, self._predictors(REFERENCE), graphs)
            found[str(n)] = {"networks": len(graphs), "rules": rules}
        return found

    def without_limit(self) -> dict[str, Any]:
        """What total key rate does without module limits, on the source study's graphs."""
        count = self._count(10, 2)
        return {
            str(n): without_limit(self.model, self._draw(source_study, count, 6, n))
            for n in tqdm(SITES, desc="no limits")
        }

    def timings(self) -> dict[str, float]:
        """Seconds to load, to predict a large network, and per graph in a training loop."""
        rng = np.random.default_rng([self.seed, 107])
        large, _ = join([draw(source_study(_LARGE_SITES, rng), rng)])
        batch, viable = join([draw(clustered(20, rng), rng) for _ in range(64)])
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        with torch.no_grad():
            forward_s = _seconds(lambda: self.model(batch))
            large_s = _seconds(lambda: self.model(large))
        model = load_pretrained()
        both_s = _seconds(lambda: loss(model(batch), viable).backward())
        return {
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "load_s": _seconds(load_pretrained),
            "large_links": len(large.links),
            "large_s": large_s,
            "forward_us_per_graph": forward_s / 64 * 1e6,
            "forward_backward_us_per_graph": both_s / 64 * 1e6,
            "threads": torch.get_num_threads(),
        }

    def _count(self, networks: int, least: int) -> int:
        return max(least, round(networks * self.effort))

    def _predictors(self, setting: HiddenQuality) -> ClassicalPredictors:
        if setting not in self._fitted:
            rng = np.random.default_rng([self.seed, 100])
            sizes = rng.integers(MIN_SITES, MAX_SITES + 1, self.fitted_networks)
            graphs = [draw(clustered(int(n), rng), rng, setting) for n in sizes]
            self._fitted[setting] = ClassicalPredictors(graphs, setting)
        return self._fitted[setting]

    def _real(self, names: Sequence[str], setting: HiddenQuality) -> dict[str, Any]:
        """The comparison by topology, without those that have links of one kind alone."""
        found = {}
        for name in tqdm(names, desc="real topologies"):
            topology = load(name)
            rng = np.random.default_rng([self.seed, 103, available().index(name)])
            count = self._count(max(100, _REAL_LINKS // topology.n_links), 10)
            graphs = [draw(topology, rng, setting) for _ in range(count)]
            viable = np.concatenate([graph.viable for graph in graphs])
            if 0.0 < viable.mean() < 1.0:
                row = compare(self.model, self._predictors(setting), graphs, setting, samples=300)
                lengths = [topology.length_km.min(), topology.length_km.max()]
                found[name] = {"sites": topology.n_sites, "length_km": lengths, **row}
        return found

    def _metros(
        self, n_sites: int, part: int, setting: HiddenQuality = REFERENCE
    ) -> list[ViabilityGraph]:
        count = self._count(max(32, round(_LINKS / (2.25 * n_sites))), 4)
        return self._draw(clustered, count, part, n_sites, setting)

    def _draw(
        self,
        make: Callable[[int, np.random.Generator], Topology],
        count: int,
        part: int,
        n_sites: int,
        setting: HiddenQuality = REFERENCE,
    ) -> list[ViabilityGraph]:
        """Networks from seeds that no training uses."""
        rng = np.random.default_rng([self.seed, 100 + part, n_sites])
        return [draw(make(n_sites, rng), rng, setting) for _ in range(count)]


def _seconds(work: Callable[[], Any]) -> float:
    """Least wall-clock time of some runs, after one to warm up."""
    work()
    return min(timeit.repeat(work, number=1, repeat=10))


def run(out: Path, work: Path, effort: float = 1.0, seed: int = 0) -> dict[str, Any]:
    """Runs what is not finished yet and writes page, plots and results.

    Args:
        out: Folder for ``viability.md``, ``viability.json`` and the plots.
        work: Folder for finished parts.
        effort: See `Study`.
        seed: Seed of everything.

    Returns:
        The results, as in ``viability.json``.
    """
    model = load_pretrained()
    study = Study(model, effort, seed)
    require_writable_folder(work, "work")
    require_writable_folder(out, "out")
    content = digest(model)
    results: dict[str, Any] = {
        "version": __version__,
        "effort": effort,
        "seed": seed,
        "fitted_networks": study.fitted_networks,
    }
    parts = study.parts()
    print(
        f"{len(parts)} parts, some of many minutes; each is kept in {work} once finished.",
        file=sys.stderr,
    )
    for number, (name, part) in enumerate(parts.items(), 1):
        print(f"part {number} of {len(parts)}: {name}", file=sys.stderr)
        # The noise-free task trains networks of its own.
        weights = "" if name == "noise_free" else content
        key = [__version__, weights, effort, seed]
        file = work / f"{name}.json"
        finished = read_json(file, dict[str, Any], "finished part") if file.exists() else {}
        if finished.get("key") != key or "result" not in finished:
            write_json(file, {"key": key, "result": part()})
            finished = read_json(file, dict[str, Any], "finished part")
        results[name] = finished["result"]
    write_json(out / "viability.json", results)
    draw_plots(results, out)
    write_bytes(out / "viability.md", page(results).encode())
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Regenerate the study of link viability.")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--work", type=Path, default=Path("runs/viability-study"))
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies all networks")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with exit_status(f"Finished parts are in {options.work}; the same command goes on from there."):
        run(options.out, options.work, options.effort, options.seed)
    print(f"written to {options.out / 'viability.md'}; finished parts are in {options.work}")
