"""A linear layer with few outputs on the encodings of links, compiled.

Matrix products with two columns are what torch does worst: the gradients of this one layer took as
long as those of all others together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from qkd_gym.jit import compiled
from qkd_gym.network.compiled.simd import load, spread, store, total
from qkd_gym.network.compiled.vectors import LANES

F32 = NDArray[np.float32]


def link_scores(links: Tensor, n_links: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Scores of links, (B, E, outputs), as `torch.nn.functional.linear` gives them.

    Args:
        links: Encodings, (B, E, width) float32.
        n_links: (B,) int64; links after these are padding, whose scores may be anything.
        weight: (outputs, width).
        bias: (outputs,).
    """
    if links.device.type != "cpu" or links.shape[2] % LANES:
        return linear(links, weight, bias)
    scores: Tensor = _Scores.apply(links.float(), n_links, weight, bias)
    return scores


class _Scores(torch.autograd.Function):
    """The compiled layer as an operation of torch."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, links: Tensor, n_links: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        scores = links.new_zeros(*links.shape[:2], len(weight))
        _score(*_arrays(links, n_links, weight, bias, scores))
        ctx.save_for_backward(links, n_links, weight)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_scores: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        links, n_links, weight = ctx.saved_tensors
        of_links, of_weight = torch.empty_like(links), torch.zeros_like(weight)
        of_bias = weight.new_zeros(len(weight))
        of_scores = of_scores.contiguous()
        _differentiate(*_arrays(of_scores, links, n_links, weight, of_links, of_weight, of_bias))
        return of_links, None, of_weight, of_bias


def _arrays(*tensors: Tensor) -> list[NDArray[Any]]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


@compiled
def _score(links, n_links, weight, bias, scores):  # type: ignore[no-untyped-def]
    most, width = links.shape[1:]
    for b in range(len(links)):
        for link in range(n_links[b]):
            row = (b * most + link) * width
            for k in range(len(weight)):
                score = bias[k]
                for o in range(0, width, LANES):
                    score += total(load(links, row + o) * load(weight, k * width + o))
                scores[b, link, k] = score


@compiled
def _differentiate(  # type: ignore[no-untyped-def]
    of_scores, links, n_links, weight, of_links, of_weight, of_bias
):
    most, width = links.shape[1:]
    for b in range(len(links)):
        for link in range(most):
            row = (b * most + link) * width
            real = link < n_links[b]
            for o in range(0, width, LANES):
                gradient = spread(np.float32(0.0))
                if real:
                    encoding = load(links, row + o)
                    for k in range(len(weight)):
                        i, of_score = k * width + o, of_scores[b, link, k]
                        gradient = gradient + of_score * load(weight, i)
                        store(of_weight, i, load(of_weight, i) + of_score * encoding)
                store(of_links, row + o, gradient)
            if real:
                for k in range(len(weight)):
                    of_bias[k] += of_scores[b, link, k]
