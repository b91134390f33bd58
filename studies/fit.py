"""Fits the weights of a scored schedule to labels of its decisions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_gym.scoring.inputs import INPUT
from qkd_gym.scoring.weights import RULE, Weights, as_vector, from_vector, step_sizes
from studies.labels import Labels

_TINY = 1e-6  # as in qkd_gym.scoring.choice
_NO_CANDIDATE = -1e9
_STEPS = 60  # of the optimiser, by which it has nearly converged


def targets(labels: Labels, significance: float) -> NDArray[np.float32]:
    """Leads that a fit may rely on, (D, C), in points.

    Those within ``significance`` standard errors are left out, as zeros; the others are weighted by
    the share of their variance that is no error, which is what to expect of the truth.
    """
    tried = labels.exists.copy()
    tried[:, 0] = False
    variance = float((labels.lead[tried] ** 2).mean() - (labels.error[tried] ** 2).mean())
    variance = max(variance, 1e-12)
    weight = variance / (variance + labels.error**2)
    is_clear = np.abs(labels.lead) > significance * labels.error
    return np.where(is_clear, weight * labels.lead, 0.0).astype(np.float32)


def fit(
    weights: Weights,
    labels: Labels,
    *,
    significance: float,
    temperature: float,
    penalty: float,
) -> Weights:
    """Weights whose choices lead by more than those of others, as far as labels tell.

    A schedule that switched at random in proportion to exp(gain / temperature) would lead by the
    mean over its candidates. That is maximised, as a share of what the labels vary by, less the
    penalty times the squared distance from the weights, in the steps of a search.

    Args:
        weights: Where to start, those of the schedule that was labelled.
        labels: The labels.
        significance: See `targets`.
        temperature: Gain by which a candidate must be better to be e times as likely.
        penalty: See above.
    """
    lead = torch.as_tensor(targets(labels, significance))
    lead = lead / lead[torch.as_tensor(labels.exists)].std().clamp(min=1e-9)
    tensors = Labels(*map(torch.as_tensor, labels))  # type: ignore[arg-type]
    start = torch.as_tensor(as_vector(weights), dtype=torch.float32)
    steps = torch.as_tensor(step_sizes(weights), dtype=torch.float32)
    moved = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [moved], max_iter=_STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        gain = gains(parts(start + steps * moved, weights), tensors) / temperature
        chance = torch.where(tensors.exists, gain, _NO_CANDIDATE).softmax(1)
        value = penalty * (moved**2).sum() - (chance * lead).sum(1).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return from_vector((start + steps * moved.detach()).double().numpy(), weights)


def gains(weights: list[Tensor], labels: Labels) -> Tensor:
    """Gain of every candidate, (D, C), as `qkd_gym.scoring.choice` has it; 0 to hold.

    Args:
        weights: Parts of `Weights`.
        labels: Labels as tensors.
    """
    worth, _ = _worth_and_price(weights, labels.on)
    _, price = _worth_and_price(weights, labels.off)
    gain = worth - (price * labels.makes_way).sum(-1)
    return torch.where(labels.wants, gain, 0.0)


def parts(vector: Tensor, like: Weights) -> list[Tensor]:
    """The parts of `Weights` that are one vector, with the shapes of others."""
    pieces = vector.split([part.size for part in like])
    return [piece.view(part.shape) for piece, part in zip(pieces, like, strict=True)]


def _worth_and_price(weights: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Worth and price of links by their inputs, (..., F)."""
    rule, on, off, hidden, hidden_on, hidden_off = weights
    demand, rate = x[..., INPUT.demand].expm1(), x[..., INPUT.rate].expm1()
    power = rule[RULE.demand_power] * demand.clamp(min=_TINY).log()
    power = power + rule[RULE.rate_power] * rate.clamp(min=_TINY).log()
    lack = x[..., INPUT.lack]
    lack = lack + rule[RULE.cover_weight] * (x[..., INPUT.uncovered] - lack)
    served = (rate / demand.clamp(min=_TINY)).clamp(max=1.0)
    score = lack * power.exp() + rule[RULE.kappa] * x[..., INPUT.blocked].expm1() * served
    units = (x @ hidden.T).relu()
    worth = score + x @ on + units @ hidden_on
    price = (1.0 + rule[RULE.hysteresis]) * score + x @ off + units @ hidden_off
    return worth, price
