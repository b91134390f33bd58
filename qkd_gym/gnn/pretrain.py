"""Pretrains the viability network: ``python -m qkd_gym.gnn.pretrain``.

Every step sees networks that were never drawn before, so nothing can be learned by heart;
validation networks decide which weights are kept and when to stop. The card beside the weights
says how good they are on further networks of sizes up to five times the largest trained on, and
on topologies left out by five-fold cross-validation.

The network and each fold are saved every few seconds in a folder beside the weights, from which the
same command goes on if it was interrupted, to the same weights and card, byte for byte. The folder
is removed once these are written. Networks are drawn anew, which takes a minute.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.children import child_processes
from qkd_gym.commands import exit_status
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.files import require_writable_file, require_writable_folder, write_figure
from qkd_gym.gnn.checkpoint import Check
from qkd_gym.gnn.data import ViabilityGraph, simulate
from qkd_gym.gnn.hidden import draw
from qkd_gym.gnn.mixture import (
    MAX_SITES,
    MIN_SITES,
    TrainingMixture,
    draw_topologies,
    simulated_graphs,
)
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.predict import predict
from qkd_gym.gnn.scores import calibration_curve, score_network
from qkd_gym.gnn.training import BATCH, Training, train
from qkd_gym.gnn.weights import save_weights
from qkd_gym.topology import Topology, clustered

TEST_SITES = (10, 20, 50, 100, 250)
FOLDS = 5
_STEPS_PER_MINUTE = 700  # on two cores

F64 = NDArray[np.float64]


def cross_validate(
    topologies: Sequence[Topology],
    simulated: Sequence[ViabilityGraph],
    steps: int,
    networks: int,
    seed: int,
    folder: Path,
    run: Mapping[str, Any],
) -> list[dict[str, float]]:
    """Scores on the topologies that each fold leaves out, after a shorter training on the others.

    Args:
        topologies: Topologies to split into five folds.
        simulated: Simulated networks to split into five folds; the left-out ones are not scored.
        steps: Training steps per fold.
        networks: Networks to validate on, and to test on, per fold.
        seed: Seed of everything.
        folder: Where to keep a checkpoint of each fold; it is there.
        run: For the checkpoints, see `qkd_gym.gnn.training.train`.

    Returns:
        The scores of each fold, see `qkd_gym.gnn.scores.scores`.
    """
    torch.set_num_threads(1)
    rows = []
    for fold in range(FOLDS):
        torch.manual_seed(seed + fold)
        rng = np.random.default_rng([seed, 3, fold])
        used = [t for i, t in enumerate(topologies) if i % FOLDS != fold]
        held = topologies[fold::FOLDS]
        played = [g for i, g in enumerate(simulated) if i % FOLDS != fold]
        validation = [draw(used[i], rng) for i in rng.integers(len(used), size=networks)]
        model = LinkViabilityGNN()
        mixture = TrainingMixture(used, played, rng)
        label = f"fold {fold + 1} of {FOLDS}"
        file = folder / f"fold-{fold + 1}.safetensors"
        train(model, mixture, validation, steps, file, run, label, line=1)
        tests = [draw(held[i], rng) for i in rng.integers(len(held), size=networks)]
        rows.append(score_network(model, tests))
    return rows


def pretrain(
    out: Path,
    steps: int = 7000,
    seed: int = 0,
    topologies: int = 2000,
    simulated: int = 100,
    networks: int = 300,
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
    print(
        f"{steps} steps of {BATCH} networks, and beside them {FOLDS} folds of {steps // FOLDS} "
        f"steps: about {1 + steps // _STEPS_PER_MINUTE} min on two cores. "
        f"Checkpoints are in {checkpoints}.",
        file=sys.stderr,
    )
    started = time.monotonic()
    rng = np.random.default_rng([seed, 0])
    drawn = draw_topologies(topologies, rng)
    played = simulated_graphs(simulated, seed) if simulated else []
    mixture = TrainingMixture(drawn, played, rng)
    rng = np.random.default_rng([seed, 1])
    sizes = rng.integers(MIN_SITES, MAX_SITES + 1, networks)
    validation = [draw(clustered(int(n), rng), rng) for n in sizes]
    # One thread: sums over links come out the same in every run.
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = LinkViabilityGNN()
    # Folds are trained in a second process, as long as the network itself takes.
    with child_processes(1) as submit:
        fold_steps = steps // FOLDS
        pending = submit(
            cross_validate, drawn, played, fold_steps, networks, seed, checkpoints, run
        )
        history = train(model, mixture, validation, steps, checkpoints / "network.safetensors", run)
        folds = pending.result()
    rng = np.random.default_rng([seed, 2])
    tests = {
        n: [draw(clustered(n, rng), rng) for _ in range(max(2, networks * 20 // max(20, n)))]
        for n in tqdm(TEST_SITES, desc="testing", unit="size")
    }
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
        "unseen_networks": {str(n): score_network(model, graphs) for n, graphs in tests.items()},
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
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kept = f"What is done is in a folder beside {options.out}"
    with exit_status(f"{kept}; the same command goes on from there."):
        facts = pretrain(options.out, options.steps, options.seed)
    rows = {f"{n} sites": row for n, row in facts["unseen_networks"].items()}
    rows["cross-validated"] = facts["cross_validation"]["mean"]
    rows["simulator"] = facts["unseen_simulated"]
    for name, row in rows.items():
        print(f"{name:>16}  " + "  ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"written to {options.out}, with its card and plot, in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
