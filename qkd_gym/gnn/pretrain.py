"""Pretrains the viability network: ``python -m qkd_gym.gnn.pretrain``.

Simulates networks with hidden quality, trains with early stopping on networks of its own, and
reports on unseen networks of the test bank beside gradient boosting on each link's own features.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.envs.layout import LINK
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.gnn.data import ViabilityData, simulate
from qkd_gym.gnn.model import LINK_INPUTS, LinkViabilityGNN
from qkd_gym.gnn.weights import save_weights

TRAIN_SITES = (10, 20, 30)
TEST_SITES = (10, 20, 40)
_BATCH = 32
_PATIENCE = 6

F64 = NDArray[np.float64]


def train(
    model: LinkViabilityGNN,
    training: list[ViabilityData],
    validation: list[ViabilityData],
    epochs: int,
    seed: int,
    learning_rate: float = 3e-3,
) -> list[dict[str, float]]:
    """Trains in place and keeps the weights of the best validation loss.

    Returns:
        Training and validation loss of every epoch.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    history: list[dict[str, float]] = []
    best, kept = np.inf, {k: v.clone() for k, v in model.state_dict().items()}
    waited = 0
    for _ in (bar := tqdm(range(epochs), unit="epoch", desc="pretraining")):
        model.train()
        losses = []
        for data, rows in _shuffled(training, rng):
            graphs, viable = data.batch(rows)
            loss = cross_entropy(model(graphs), viable)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        schedule.step()
        now = float(np.mean([_loss(model, data) for data in validation]))
        history.append({"training": float(np.mean(losses)), "validation": now})
        bar.set_postfix(validation=f"{now:.4f}")
        waited += 1
        if now < best:
            best, waited = now, 0
            kept = {k: v.clone() for k, v in model.state_dict().items()}
        if waited >= _PATIENCE:
            break
    model.load_state_dict(kept)
    return history


def _shuffled(
    parts: list[ViabilityData], rng: np.random.Generator
) -> list[tuple[ViabilityData, NDArray[np.int64]]]:
    batches = [
        (data, rows)
        for data in parts
        for rows in np.array_split(rng.permutation(len(data)), max(1, len(data) // _BATCH))
    ]
    return [batches[i] for i in rng.permutation(len(batches))]


def predict(model: LinkViabilityGNN, data: ViabilityData) -> tuple[F64, F64]:
    """Predicted probabilities and labels of all links."""
    model.eval()
    chances, labels = [], []
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(data)), max(1, len(data) // _BATCH)):
            graphs, viable = data.batch(rows)
            chances.append(torch.sigmoid(model(graphs)).numpy())
            labels.append(viable.numpy())
    return np.concatenate(chances).astype(np.float64), np.concatenate(labels).astype(np.float64)


def _loss(model: LinkViabilityGNN, data: ViabilityData) -> float:
    chance, label = predict(model, data)
    chance = np.clip(chance, 1e-7, 1 - 1e-7)
    return float(-np.mean(label * np.log(chance) + (1 - label) * np.log(1 - chance)))


def scores(chance: F64, label: F64) -> dict[str, float]:
    """AUC, average precision and Brier score."""
    return {
        "auc": float(roc_auc_score(label, chance)),
        "average_precision": float(average_precision_score(label, chance)),
        "brier": float(brier_score_loss(label, chance)),
    }


def per_link_features(data: ViabilityData) -> tuple[F64, F64]:
    """Own features and labels of all links, for models that see one link at a time."""
    real = data.observation["link_mask"].astype(bool)
    columns = [LINK[name] for name in LINK_INPUTS]
    return data.observation["links"][real][:, columns].astype(np.float64), data.viable[real].astype(
        np.float64
    )


def report(
    model: LinkViabilityGNN, training: list[ViabilityData], seed: int, graphs: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Scores on unseen networks per size: the network, and boosting on single links."""
    pairs = [per_link_features(data) for data in training]
    inputs, labels = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
    boosting = HistGradientBoostingClassifier(random_state=seed).fit(inputs, labels)
    table = {}
    for n_sites in TEST_SITES:
        data = simulate(n_sites, graphs, seed + 2, split="test")
        own, label = per_link_features(data)
        table[str(n_sites)] = {
            "gnn": scores(*predict(model, data)),
            "boosting_per_link": scores(boosting.predict_proba(own)[:, 1], label),
        }
    return table


def pretrain(out: Path, graphs: int, epochs: int, seed: int) -> dict[str, Any]:
    """Simulates, trains, reports and writes weights and card.

    Args:
        out: File for the weights, ending in ``.safetensors``.
        graphs: Training graphs per size of network.
        epochs: Most epochs.
        seed: Seed of everything.

    Returns:
        The card's facts.
    """
    if out.suffix != ".safetensors":
        raise InvalidInput(f"out is {str(out)!r}, but must end in '.safetensors'.")
    require_integer("graphs", graphs, 16)
    require_integer("epochs", epochs, 1)
    require_integer("seed", seed, 0)
    torch.manual_seed(seed)
    sizes = tqdm(TRAIN_SITES, desc="simulating", unit="size")
    parts = [
        (simulate(n, graphs, seed), simulate(n, graphs // 8, seed + 1, split="validation"))
        for n in sizes
    ]
    training, validation = [part[0] for part in parts], [part[1] for part in parts]
    model = LinkViabilityGNN()
    history = train(model, training, validation, epochs, seed)
    facts = {
        "version": __version__,
        "task": "viability of every candidate link over the next 30 minutes, scenario 'hidden'",
        "command": f"python -m qkd_gym.gnn.pretrain --graphs {graphs} --epochs {epochs} "
        f"--seed {seed}",
        "seed": seed,
        "training_sites": list(TRAIN_SITES),
        "graphs_per_size": graphs,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "unseen_networks": report(model, training, seed, max(16, graphs // 8)),
        "history": history,
    }
    save_weights(model, out, facts)
    return facts


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pretrain the link-viability network.")
    parser.add_argument("--out", type=Path, default=Path("runs/link_viability.safetensors"))
    parser.add_argument("--graphs", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        facts = pretrain(options.out, options.graphs, options.epochs, options.seed)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    for n_sites, table in facts["unseen_networks"].items():
        for name, row in table.items():
            values = "  ".join(f"{key} {value:.3f}" for key, value in row.items())
            print(f"{n_sites:>4} sites  {name:<18} {values}")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
