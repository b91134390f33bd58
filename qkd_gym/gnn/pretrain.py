"""Pretrains the viability network: ``python -m qkd_gym.gnn.pretrain``.

Every step sees networks that were never drawn before, so nothing can be learned by heart;
validation networks decide which weights are kept and when to stop. The card beside the weights
says how good they are on further networks of sizes up to five times the largest trained on, with
weaker and stronger spreads, and on topologies left out by five-fold cross-validation.

The network and each fold are saved every few seconds in a folder beside the weights, from which the
same command goes on if it was interrupted, to the same weights and card, byte for byte. The folder
is removed once these are written. Networks are drawn anew, which takes one core a hundred seconds.

Workers share the drawing, the training and the folds; their number changes no result.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.commands import exit_status
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.files import require_writable_file, require_writable_folder, write_figure
from qkd_gym.gnn.checkpoint import Check
from qkd_gym.gnn.data import ViabilityGraph, simulate
from qkd_gym.gnn.hidden import REFERENCE, STRONGER, WEAKER, HiddenQuality, draw
from qkd_gym.gnn.mixture import (
    MAX_SITES,
    MIN_SITES,
    TrainingMixture,
    draw_topologies,
    simulated_graphs,
    simulations,
    with_betweenness,
)
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict
from qkd_gym.gnn.scores import calibration_curve, score_network
from qkd_gym.gnn.settings import draw_in_any_setting
from qkd_gym.gnn.training import BATCH, Training
from qkd_gym.gnn.trainings import FOLDS, Setting, cross_validate, train_network
from qkd_gym.gnn.weights import save_weights
from qkd_gym.topology import Topology, clustered
from qkd_gym.workers import (
    WorkerCount,
    Workers,
    add_workers,
    call,
    start_workers,
    take_workers,
    worker_count,
)

TEST_SITES = (10, 20, 50, 100, 250)
SPREAD_SITES = (20, 100)
_STEPS_PER_MINUTE = 1600  # of one worker
_TOPOLOGIES = 50  # whose betweenness a worker finds at a time, half a second of work

F64 = NDArray[np.float64]


def training_topologies(count: int, seed: int) -> tuple[list[Topology], np.random.Generator]:
    """Topologies to train on, and the generator that drew them, which goes on from there."""
    rng = np.random.default_rng([seed, 0])
    return draw_topologies(count, rng), rng


def validation_networks(count: int, seed: int) -> list[ViabilityGraph]:
    """Networks of the kinds and settings trained on, but for those of the simulator."""
    rng = np.random.default_rng([seed, 1])
    return [draw_in_any_setting(topology, rng) for topology in draw_topologies(count, rng)]


def unseen_networks(
    sites: Sequence[int], networks: int, seed: int, setting: HiddenQuality = REFERENCE
) -> dict[int, list[ViabilityGraph]]:
    """Metros to test on by number of sites, fewer of the large ones."""
    rng = np.random.default_rng([seed, 2])
    return {
        n: [
            draw(clustered(n, rng), rng, setting)
            for _ in range(max(2, networks * 20 // max(20, n)))
        ]
        for n in sites
    }


def pretrain(
    out: Path,
    steps: int = 24000,
    seed: int = 0,
    topologies: int = 2000,
    simulated: int = 100,
    networks: int = 300,
    workers: WorkerCount = "auto",
) -> dict[str, Any]:
    """Trains, cross-validates, tests, and writes weights, card and plot.

    The same call goes on from where an earlier one was interrupted, with the same result.

    Args:
        out: File for the weights, ending in ``.safetensors``; card and plot get its name with the
            suffixes ``.json`` and ``.png``, and a folder for checkpoints, which is removed at the
            end, ``.checkpoints``.
        steps: Most training steps, of 32 networks each; each fold of the cross-validation takes a
            fifth of them.
        seed: Seed of everything.
        topologies: Topologies to draw training networks from.
        simulated: Tenth of the number of simulated training networks; 0 leaves them out.
        networks: Networks to validate on, and to test on per size.
        workers: Processes, see `qkd_gym.workers.worker_count`; they change no result.

    Returns:
        The card's facts.

    Raises:
        InvalidInput: If an argument is out of range, ``out`` cannot be written, or a checkpoint is
            damaged or of a call with other arguments.
    """
    if out.suffix != ".safetensors":
        raise InvalidInput(f"out is {str(out)!r}, but must end in '.safetensors'.")
    require_integer("steps", steps, FOLDS)
    require_integer("seed", seed, 0)
    require_integer("topologies", topologies, FOLDS)
    require_integer("simulated", simulated, 0)
    require_integer("networks", networks, 2)
    count = worker_count(workers)
    require_writable_file(out, "out")
    checkpoints = out.with_suffix(".checkpoints")
    require_writable_folder(checkpoints, "out")
    run = {
        "version": __version__,
        "steps": int(steps),
        "seed": int(seed),
        "topologies": int(topologies),
        "simulated": int(simulated),
        "networks": int(networks),
    }
    for file in sorted(checkpoints.glob("*.safetensors")):
        # One that is damaged or of another run is found now, not when its turn comes.
        unused = TrainingMixture([], [], np.random.default_rng())
        Training(LinkViabilityGNN(), unused, run).load(file)
    # The folds take as many steps as the network, and the whole is no faster than the network.
    minutes = 1 + round(steps / _STEPS_PER_MINUTE * max(1.0, 2.0 / count))
    print(
        f"{steps} steps of {BATCH} networks, and {FOLDS} folds of {steps // FOLDS} steps: about "
        f"{minutes} min with {count} workers. Checkpoints are in {checkpoints}.",
        file=sys.stderr,
    )
    started = time.monotonic()
    with start_workers(workers) as team:
        pieces = simulations(simulated, seed)
        draws: list[Callable[[], Any]] = [
            partial(training_topologies, topologies, seed),
            partial(validation_networks, networks, seed),
        ]
        (drawn, rng), validation, *made = _done(team, "networks", [*draws, *pieces])
        cuts = range(0, topologies, _TOPOLOGIES)
        parts = [partial(with_betweenness, drawn[first : first + _TOPOLOGIES]) for first in cuts]
        drawn = [topology for part in _done(team, "betweenness", parts) for topology in part]
        played = simulated_graphs(pieces, made)
        setting = Setting(drawn, played, networks, seed, checkpoints, run)
        trainings: list[Callable[[], Any]] = [
            partial(train_network, setting, steps, validation, rng),
            partial(unseen_networks, TEST_SITES, networks, seed),
            partial(unseen_networks, SPREAD_SITES, networks, seed, WEAKER),
            partial(unseen_networks, SPREAD_SITES, networks, seed, STRONGER),
        ]
        trainings += [
            partial(cross_validate, setting, steps // FOLDS, fold) for fold in range(FOLDS)
        ]
        (weights, history), tests, weaker, stronger, *folds = team.do(call, trainings)
    model = LinkViabilityGNN()
    model.load_state_dict({name: torch.as_tensor(array) for name, array in weights.items()})
    facts = {
        "version": __version__,
        "task": "viability of every candidate link over the next 30 minutes",
        "command": f"python -m qkd_gym.gnn.pretrain --steps {steps} --seed {seed}",
        "data": {
            "topologies": topologies,
            "simulated": len(played),
            "sites": [MIN_SITES, MAX_SITES],
        },
        "steps": steps,
        "seed": seed,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "unseen_networks": _scores(model, tests),
        "unseen_weaker_spreads": _scores(model, weaker),
        "unseen_stronger_spreads": _scores(model, stronger),
        "cross_validation": {
            "steps": steps // FOLDS,
            "mean": {key: float(np.mean([row[key] for row in folds])) for key in folds[0]},
            "std": {key: float(np.std([row[key] for row in folds])) for key in folds[0]},
            "folds": folds,
        },
        "history": history,
    }
    if simulated:
        unseen = simulate(20, max(2, networks // 3), seed, split="test")
        facts["unseen_simulated"] = score_network(model, unseen)
    save_weights(model, out, facts)
    chance = np.concatenate([predict(model, g) for graphs in tests.values() for g in graphs])
    label = np.concatenate([g.viable for graphs in tests.values() for g in graphs])
    _plot(out.with_suffix(".png"), history, chance, label)
    shutil.rmtree(checkpoints, ignore_errors=True)
    # Not in the card, which repeats byte for byte.
    return {**facts, "seconds": time.monotonic() - started}


def _scores(
    model: LinkViabilityGNN, tests: Mapping[int, Sequence[ViabilityGraph]]
) -> dict[str, dict[str, float]]:
    """Scores by number of sites."""
    return {str(n): score_network(model, graphs) for n, graphs in tests.items()}


def _done(workers: Workers, what: str, pieces: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of pieces of work, under a progress bar."""
    with tqdm(total=len(pieces), desc=what, unit="piece", leave=False) as bar:
        return workers.do(call, pieces, lambda index, result: bar.update())


def _plot(path: Path, history: Sequence[Check], chance: F64, label: F64) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([row["step"] for row in history], [row["validation"] for row in history], marker=".")
    left.set(xlabel="training steps", ylabel="log loss on validation networks")
    mean, share, count = calibration_curve(chance, label)
    right.plot([0, 1], [0, 1], color="grey", linewidth=1)
    right.plot(mean[count > 0], share[count > 0], marker="o")
    right.set(xlabel="predicted probability", ylabel="share of viable links, unseen networks")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    write_figure(path, figure)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pretrain the link-viability network.")
    parser.add_argument("--out", type=Path, default=Path("runs/link_viability.safetensors"))
    parser.add_argument("--steps", type=int, default=24000)
    parser.add_argument("--seed", type=int, default=0)
    add_workers(parser)
    options = vars(parser.parse_args())
    out = options["out"]
    kept = f"What is done is in a folder beside {out}"
    with exit_status(f"{kept}; the same command goes on from there."):
        take_workers(options)
        facts = pretrain(**options)
    rows = {f"{n} sites": row for n, row in facts["unseen_networks"].items()}
    for name in ("weaker", "stronger"):
        spreads = facts[f"unseen_{name}_spreads"]
        rows |= {f"{n} sites, {name}": row for n, row in spreads.items()}
    rows["cross-validated"] = facts["cross_validation"]["mean"]
    rows["simulator"] = facts["unseen_simulated"]
    for name, row in rows.items():
        print(f"{name:>19}  " + "  ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"written to {out}, with its card and plot, in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
