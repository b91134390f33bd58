"""What a pretraining trains: the network that ships, and one for every fold left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qkd_gym.gnn.checkpoint import Check
from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import draw
from qkd_gym.gnn.mixture import TrainingMixture
from qkd_gym.gnn.model import LinkViabilityGNN
from qkd_gym.gnn.scores import score_network
from qkd_gym.gnn.settings import draw_in_any_setting
from qkd_gym.gnn.training import train
from qkd_gym.topology import Topology

FOLDS = 5

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Setting:
    """What every training of a run works with.

    Attributes:
        topologies: Topologies to draw training networks from.
        simulated: Simulated networks to train on.
        networks: Networks to validate on, and to test on, per fold.
        seed: Seed of everything.
        folder: Where checkpoints are; it is there.
        run: For the checkpoints, see `qkd_gym.gnn.training.train`.
    """

    topologies: Sequence[Topology]
    simulated: Sequence[ViabilityGraph]
    networks: int
    seed: int
    folder: Path
    run: Mapping[str, Any]


def train_network(
    setting: Setting, steps: int, validation: Sequence[ViabilityGraph], rng: np.random.Generator
) -> tuple[Arrays, list[Check]]:
    """Trains the network that ships.

    Args:
        setting: What to train on.
        steps: Most training steps.
        validation: Networks to validate on.
        rng: Draws the training networks.

    Returns:
        The weights by name, and every check.
    """
    # One thread: sums over links come out the same in every run.
    torch.set_num_threads(1)
    torch.manual_seed(setting.seed)
    model = LinkViabilityGNN()
    mixture = TrainingMixture(setting.topologies, setting.simulated, rng)
    file = setting.folder / "network.safetensors"
    history = train(model, mixture, validation, steps, file, setting.run)
    # Arrays: tensors would go from process to process in shared memory.
    return {name: weight.numpy() for name, weight in model.state_dict().items()}, history


def cross_validate(setting: Setting, steps: int, fold: int) -> dict[str, float]:
    """Scores on the topologies that a fold leaves out, after a shorter training on the others.

    Left-out simulated networks are not scored.

    Args:
        setting: What to split into five folds.
        steps: Training steps.
        fold: Which of them to leave out.

    Returns:
        See `qkd_gym.gnn.scores.scores`.
    """
    torch.set_num_threads(1)
    torch.manual_seed(setting.seed + fold)
    rng = np.random.default_rng([setting.seed, 3, fold])
    used = [t for i, t in enumerate(setting.topologies) if i % FOLDS != fold]
    held = setting.topologies[fold::FOLDS]
    played = [g for i, g in enumerate(setting.simulated) if i % FOLDS != fold]
    networks = setting.networks
    chosen = [used[i] for i in rng.integers(len(used), size=networks)]
    validation = [draw_in_any_setting(topology, rng) for topology in chosen]
    model = LinkViabilityGNN()
    mixture = TrainingMixture(used, played, rng)
    label = f"fold {fold + 1} of {FOLDS}"
    file = setting.folder / f"fold-{fold + 1}.safetensors"
    train(model, mixture, validation, steps, file, setting.run, label, line=fold + 1)
    tests = [draw(held[i], rng) for i in rng.integers(len(held), size=networks)]
    return score_network(model, tests)
