"""Training of the viability network on networks that are never the same again."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from tqdm import tqdm

from qkd_gym.gnn.data import ViabilityGraph, join
from qkd_gym.gnn.mixture import TrainingMixture
from qkd_gym.gnn.model import LinkViabilityGNN

_BATCH = 32
_LEARNING_RATE = 4e-3
_WARM_UP = 100
_CHECK_EVERY = 250
_PATIENCE = 12
# Weights are averaged over about the last so many steps, which cancels the noise of each.
_AVERAGED_STEPS = 500

_Tensors = tuple[Tensor, ...] | list[Tensor]


class EarlyStopping:
    """Remembers the weights of the least validation loss and tells when to stop training.

    Args:
        model: The network; its weights count until the first check.
        patience: Number of checks in a row without a new least loss after which to stop.

    Attributes:
        weights: The best weights so far, by name.
    """

    def __init__(self, model: nn.Module, patience: int) -> None:
        self._loss, self._patience, self._waited = np.inf, patience, 0
        self.weights = deepcopy(model.state_dict())

    def check(self, model: nn.Module, loss: float) -> bool:
        """Remembers the weights if their validation loss is the least; whether to stop."""
        self._waited += 1
        if loss < self._loss:
            self._loss, self._waited, self.weights = loss, 0, deepcopy(model.state_dict())
        return self._waited >= self._patience


def train(
    model: LinkViabilityGNN,
    mixture: TrainingMixture,
    validation: Sequence[ViabilityGraph],
    steps: int,
    label: str = "pretraining",
    line: int = 0,
) -> list[dict[str, float]]:
    """Trains in place and keeps the averaged weights of the best validation loss.

    Args:
        model: The network.
        mixture: Source of training networks.
        validation: Networks whose loss decides which weights are returned to and when to stop.
        steps: Most training steps.
        label: What the progress bar says.
        line: Line of the terminal on which it stands.

    Returns:
        Step and validation loss of every check.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1.0 + np.cos(np.pi * step / steps)),
    )
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=_average)
    checked, checked_viable = join(validation)
    history: list[dict[str, float]] = []
    stopping = EarlyStopping(model, _PATIENCE)
    for step in (bar := tqdm(range(1, steps + 1), unit="step", desc=label, position=line)):
        graphs = mixture.batch(_BATCH)
        joined, viable = join(graphs)
        share = torch.as_tensor(np.concatenate([graph.rate_share for graph in graphs]))
        model.train()
        viability, rate = model.decode(model.embed(joined))
        # So that small networks are not lost among the links of large ones.
        links = np.array([len(graph.viable) for graph in graphs])
        each = np.repeat(links**-0.5, links)
        weight = torch.as_tensor(each / each.mean(), dtype=torch.float32)
        # Cross-entropy with a share as target has its minimum at the expected share.
        loss = cross_entropy(viability, viable, weight) + cross_entropy(rate, share, weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        if step % _CHECK_EVERY and step < steps:
            continue
        average.eval()
        with torch.no_grad():
            now = float(cross_entropy(average(checked), checked_viable))
        history.append({"step": step, "validation": now})
        bar.set_postfix(validation=f"{now:.4f}")
        if stopping.check(average.module, now):
            break
    model.load_state_dict(stopping.weights)
    return history


def _average(averaged: _Tensors, now: _Tensors, updates: Tensor | int) -> None:
    """Moving average that starts as a plain mean, so that it is unbiased from the first step."""
    weight = max(1.0 / (float(updates) + 1.0), 1.0 / _AVERAGED_STEPS)
    torch._foreach_lerp_(list(averaged), list(now), weight)
