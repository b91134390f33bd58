"""Pretrains the viability network: ``python -m qkd_gym.gnn.pretrain``.

Every step sees networks that were never drawn before, so nothing can be learned by heart;
validation networks decide which weights are kept and when to stop. The card beside the weights
says how good they are on further networks of sizes up to five times the largest trained on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.gnn.data import ViabilityGraph, join, simulate
from qkd_gym.gnn.hidden import draw
from qkd_gym.gnn.mixture import TrainingMixture
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.scores import scores
from qkd_gym.gnn.weights import save_weights
from qkd_gym.topology.generators import clustered

TEST_SITES = (10, 20, 50, 100)
_BATCH = 16
_LEARNING_RATE = 4e-3
_WARM_UP = 50
_CHECK_EVERY = 250
_PATIENCE = 12

F64 = NDArray[np.float64]


def train(
    model: LinkViabilityGNN,
    mixture: TrainingMixture,
    validation: Sequence[ViabilityGraph],
    steps: int,
) -> list[dict[str, float]]:
    """Trains in place and keeps the weights of the best validation loss.

    Returns:
        Step and validation loss of every check.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1.0 + np.cos(np.pi * step / steps)),
    )
    checked, checked_viable = join(validation)
    history: list[dict[str, float]] = []
    best, kept, waited = np.inf, _copy(model), 0
    for step in (bar := tqdm(range(1, steps + 1), unit="step", desc="pretraining")):
        graphs = mixture.batch(_BATCH)
        joined, viable = join(graphs)
        share = torch.as_tensor(np.concatenate([graph.rate_share for graph in graphs]))
        model.train()
        viability, rate = model.decode(model.embed(joined))
        # Cross-entropy with a share as target has its minimum at the expected share.
        loss = cross_entropy(viability, viable) + cross_entropy(rate, share)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % _CHECK_EVERY and step < steps:
            continue
        model.eval()
        with torch.no_grad():
            now = float(cross_entropy(model(checked), checked_viable))
        history.append({"step": step, "validation": now})
        bar.set_postfix(validation=f"{now:.4f}")
        waited += 1
        if now < best:
            best, kept, waited = now, _copy(model), 0
        if waited >= _PATIENCE:
            break
    model.load_state_dict(kept)
    return history


def _copy(model: LinkViabilityGNN) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def predict(model: LinkViabilityGNN, graph: ViabilityGraph) -> F64:
    """Probability of each link to be viable, (E,)."""
    model.eval()
    with torch.no_grad():
        return model(join([graph])[0]).sigmoid().numpy().astype(np.float64)


def judge(model: LinkViabilityGNN, graphs: Sequence[ViabilityGraph]) -> dict[str, float]:
    """Scores over all links of some networks."""
    chance = np.concatenate([predict(model, graph) for graph in graphs])
    return scores(chance, np.concatenate([graph.viable for graph in graphs]))


def pretrain(
    out: Path, steps: int = 12_000, seed: int = 0, topologies: int = 800, graphs: int = 100
) -> dict[str, Any]:
    """Trains, judges and writes weights and card.

    Args:
        out: File for the weights, ending in ``.safetensors``.
        steps: Most training steps, of 16 networks each.
        seed: Seed of everything.
        topologies: Topologies to draw training networks from.
        graphs: Networks to validate on, and to test on per size.

    Returns:
        The card's facts.
    """
    if out.suffix != ".safetensors":
        raise InvalidInput(f"out is {str(out)!r}, but must end in '.safetensors'.")
    require_integer("steps", steps, 1)
    require_integer("seed", seed, 0)
    require_integer("topologies", topologies, 1)
    require_integer("graphs", graphs, 2)
    torch.manual_seed(seed)
    mixture = TrainingMixture(topologies, seed)
    rng = np.random.default_rng([seed, 1])
    validation = [draw(clustered(int(n), rng), rng) for n in rng.integers(10, 51, graphs)]
    model = LinkViabilityGNN()
    history = train(model, mixture, validation, steps)
    rng = np.random.default_rng([seed, 2])
    facts = {
        "version": __version__,
        "task": "viability of every candidate link over the next 30 minutes",
        "command": "python -m qkd_gym.gnn.pretrain",
        "steps": steps,
        "seed": seed,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "unseen_networks": {
            str(n): judge(model, [draw(clustered(n, rng), rng) for _ in range(graphs)])
            for n in tqdm(TEST_SITES, desc="judging", unit="size")
        },
        "unseen_simulated": judge(model, simulate(20, graphs, seed, split="test")),
        "history": history,
    }
    save_weights(model, out, facts)
    return facts


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pretrain the link-viability network.")
    parser.add_argument("--out", type=Path, default=Path("runs/link_viability.safetensors"))
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        facts = pretrain(options.out, options.steps, options.seed)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    for n_sites, row in facts["unseen_networks"].items():
        print(f"{n_sites:>4} sites  " + "  ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
