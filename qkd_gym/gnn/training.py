"""Training of the viability network on networks that are never the same again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from tqdm import tqdm

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.gnn.checkpoint import FORMAT, Check, Facts, load_checkpoint, save_checkpoint
from qkd_gym.gnn.data import ViabilityGraph, join
from qkd_gym.gnn.mixture import TrainingMixture
from qkd_gym.gnn.model import LinkViabilityGNN

BATCH = 32
_LEARNING_RATE = 4e-3
_WARM_UP = 100
_CHECK_EVERY = 250
_SAVE_EVERY = 50  # some seconds
_PATIENCE = 24
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
        least: Their validation loss; infinite before the first check.
        waited: Number of checks since then.
    """

    def __init__(self, model: nn.Module, patience: int) -> None:
        self.least, self.waited = np.inf, 0
        self.weights = deepcopy(model.state_dict())
        self._patience = patience

    def check(self, model: nn.Module, loss: float) -> bool:
        """Remembers the weights if their validation loss is the least; whether to stop."""
        self.waited += 1
        if loss < self.least:
            self.least, self.waited, self.weights = loss, 0, deepcopy(model.state_dict())
        return self.over

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self.waited >= self._patience


class Training:
    """All that changes in the course of a training, which a checkpoint saves.

    Args:
        model: The network, trained in place.
        mixture: Source of training networks.
        run: Plain values on which the training depends; checkpoints of others are refused.
    """

    def __init__(
        self, model: LinkViabilityGNN, mixture: TrainingMixture, run: Mapping[str, Any]
    ) -> None:
        self.model, self.mixture, self.run = model, mixture, run
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
        self.average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=_average)
        self.stopping = EarlyStopping(model, _PATIENCE)
        self.step = 0
        self.history: list[Check] = []

    def advance(self, steps: int) -> None:
        """One of so many steps of training."""
        graphs = self.mixture.batch(BATCH)
        joined, viable = join(graphs)
        share = torch.as_tensor(np.concatenate([graph.rate_share for graph in graphs]))
        self.model.train()
        viability, rate = self.model.decode(self.model.embed(joined))
        # So that small networks are not lost among the links of large ones.
        links = np.array([len(graph.viable) for graph in graphs])
        each = np.repeat(links**-0.5, links)
        weight = torch.as_tensor(each / each.mean(), dtype=torch.float32)
        # Cross-entropy with a share as target has its minimum at the expected share.
        loss = cross_entropy(viability, viable, weight) + cross_entropy(rate, share, weight)
        for group in self.optimizer.param_groups:
            group["lr"] = _learning_rate(self.step, steps)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.step += 1

    def save(self, path: Path) -> None:
        """Writes a checkpoint."""
        stopping = self.stopping
        facts = Facts(
            format=FORMAT,
            run=dict(self.run),
            step=self.step,
            history=self.history,
            least=stopping.least if self.history else None,
            waited=stopping.waited,
            generator=dict(self.mixture.rng.bit_generator.state),
        )
        save_checkpoint(path, facts, self._tensors())

    def load(self, path: Path) -> None:
        """Goes back to a checkpoint.

        Raises:
            InvalidInput: If it is damaged or of another training.
        """
        facts, tensors = load_checkpoint(path, self.run, self._tensors())
        try:
            self.mixture.rng.bit_generator.state = facts.generator
            torch.set_rng_state(tensors["torch.generator"])
        except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):
            raise InvalidInput(
                f"checkpoint {shown(str(path))} holds no state of a generator; delete it to start "
                "anew."
            ) from None
        self.step, self.history = facts.step, facts.history
        self.stopping.waited = facts.waited
        self.stopping.least = np.inf if facts.least is None else facts.least
        self.stopping.weights = _part(tensors, "best")
        self.model.load_state_dict(_part(tensors, "model"))
        self.average.load_state_dict(_part(tensors, "average"))
        state = self.optimizer.state_dict()
        for key, tensor in _part(tensors, "optimizer").items():
            number, _, quantity = key.partition(".")
            state["state"].setdefault(int(number), {})[quantity] = tensor
        self.optimizer.load_state_dict(state)

    def _tensors(self) -> dict[str, Tensor]:
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.stopping.weights,
            "optimizer": self._moments(),
            "torch": {"generator": torch.get_rng_state()},
        }
        return {
            f"{part}.{key}": tensor
            for part, named in parts.items()
            for key, tensor in named.items()
        }

    def _moments(self) -> dict[str, Tensor]:
        """The optimizer's state of every weight; before the first step it would be empty."""
        found = {}
        for number, weight in enumerate(self.model.parameters()):
            state = self.optimizer.state.get(weight, {})
            found[f"{number}.step"] = state.get("step", torch.tensor(0.0))
            for key in ("exp_avg", "exp_avg_sq"):
                found[f"{number}.{key}"] = state.get(key, torch.zeros_like(weight))
        return found


def train(
    model: LinkViabilityGNN,
    mixture: TrainingMixture,
    validation: Sequence[ViabilityGraph],
    steps: int,
    checkpoint: Path,
    run: Mapping[str, Any],
    label: str = "pretraining",
    line: int = 0,
) -> list[Check]:
    """Trains in place and keeps the averaged weights of the best validation loss.

    A training that was interrupted goes on from its checkpoint and ends as if it never had been;
    one that is over ends at once.

    Args:
        model: The network, with the weights to start from.
        mixture: Source of training networks.
        validation: Networks whose loss decides which weights are returned to and when to stop.
        steps: Most training steps.
        checkpoint: File to keep the training in, replaced every few seconds; its folder is there.
        run: Plain values on which the training depends, for the checkpoint.
        label: What the progress bar says.
        line: Line of the terminal on which it stands.

    Returns:
        Every check.

    Raises:
        InvalidInput: If the checkpoint is damaged or of another training.
    """
    training = Training(model, mixture, run)
    if checkpoint.exists():
        training.load(checkpoint)
    checked, checked_viable = join(validation)
    stopping, average = training.stopping, training.average
    # Its own would be a semaphore of the system, which a child that is broken off leaves behind.
    tqdm.set_lock(threading.RLock())
    with tqdm(total=steps, initial=training.step, unit="step", desc=label, position=line) as bar:
        while training.step < steps and not stopping.over:
            training.advance(steps)
            bar.update()
            last = training.step == steps
            if last or training.step % _CHECK_EVERY == 0:
                average.eval()
                with torch.no_grad():
                    now = float(cross_entropy(average(checked), checked_viable))
                training.history.append({"step": training.step, "validation": now})
                bar.set_postfix(validation=f"{now:.4f}")
                stopping.check(average.module, now)
            if last or training.step % _SAVE_EVERY == 0:
                training.save(checkpoint)
    model.load_state_dict(stopping.weights)
    return training.history


def _learning_rate(done: int, steps: int) -> float:
    """Of the step after so many: it rises over the first hundred and falls along a cosine."""
    rise, fall = min(1.0, (done + 1) / _WARM_UP), 1.0 + np.cos(np.pi * done / steps)
    return float(_LEARNING_RATE * (rise * 0.5 * fall))


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }


def _average(averaged: _Tensors, now: _Tensors, updates: Tensor | int) -> None:
    """Moving average that starts as a plain mean, so that it is unbiased from the first step."""
    weight = max(1.0 / (float(updates) + 1.0), 1.0 / _AVERAGED_STEPS)
    torch._foreach_lerp_(list(averaged), list(now), weight)
