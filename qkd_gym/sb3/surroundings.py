"""The trained stage of the features extractor: what surrounds a link, fused and compiled.

For every link l between sites a and b, with inputs x_l, every site s, y_s, and the graph, z:

    h_l = relu(W1 x_l + b1)
    u_s = relu(W2 [mean of h over the links of s, y_s] + b2)
    r   = W5 [mean of h over all links, z]
    out_l = relu(W3 h_l + b3 + W4 (u_a + u_b) + r)

`fused` computes it, and the gradients of the weights, in one pass over each graph while it is in
the nearest cache. `plain` is the same in torch's own operations, for other devices and for inputs
that need gradients themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from qkd_gym.gnn.compiled import layers
from qkd_gym.gnn.compiled.layers import add_linear, add_weight_gradient, relu, set_rows, set_zero
from qkd_gym.jit import called, compiled
from qkd_gym.network.compiled.simd import load, store, where_positive
from qkd_gym.network.compiled.vectors import LANES

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


class Inputs(NamedTuple):
    """What the stage reads of B observations, padded to E links and N sites.

    What is said of links and sites may be that of a whole rollout, R >= B observations, of which
    these are some: it is large, and copying it takes a fifth as long as encoding it.
    """

    links: Tensor  # (R, E, inputs) float32
    sites: Tensor  # (R, N, inputs) float32
    ends: Tensor  # (R, E, 2) int64, sites of each link
    rows: Tensor  # (B,) int64, which rows of these three belong to these observations
    graph: Tensor  # (B, inputs) float32
    n_links: Tensor  # (B,) int64; links after these are padding


class Weights(NamedTuple):
    """Weights of the stage as torch keeps them, (outputs, inputs), and biases, (outputs,).

    All outputs are as many, the stage's width. Inputs of sites and the graph begin with the mean
    over their links.
    """

    link: Tensor  # W1
    link_bias: Tensor
    site: Tensor  # W2
    site_bias: Tensor
    join_link: Tensor  # W3
    join_bias: Tensor
    join_site: Tensor  # W4
    join_graph: Tensor  # W5


_INPUTS, _WEIGHTS = len(Inputs._fields), len(Weights._fields)


def surroundings(inputs: Inputs, weights: Weights) -> tuple[Tensor, Tensor]:
    """Encodes every link by itself and by what surrounds it.

    Args:
        inputs: B observations.
        weights: Weights of the stage.

    Returns:
        (B, E, width), zeros at padding, and their means over the real links, (B, width).
    """
    needs_gradients = inputs.links.requires_grad or inputs.sites.requires_grad
    if inputs.links.device.type != "cpu" or len(weights.link) % LANES or needs_gradients:
        return plain(inputs, weights)
    return fused(inputs, weights)


def plain(inputs: Inputs, weights: Weights) -> tuple[Tensor, Tensor]:
    """`surroundings` in torch's operations, differentiable in everything."""
    own, fixed, ends = (
        each.index_select(0, inputs.rows) for each in (inputs.links, inputs.sites, inputs.ends)
    )
    batch, most, _ = own.shape
    n_sites = fixed.shape[1]
    real = torch.arange(most, device=own.device) < inputs.n_links[:, None]
    present = real[..., None].to(own.dtype)
    count = inputs.n_links.clamp(min=1)[:, None]
    offsets = torch.arange(batch, device=own.device)[:, None] * n_sites
    first, second = ((ends[..., i] + offsets).flatten() for i in (0, 1))

    def at_sites(values: Tensor) -> Tensor:
        flat = values.flatten(0, 1)
        summed = flat.new_zeros(batch * n_sites, flat.shape[1])
        return summed.index_add(0, first, flat).index_add(0, second, flat)

    links = linear(own, weights.link, weights.link_bias).relu().float() * present
    mean = at_sites(links) / at_sites(present).clamp(min=1.0)
    known = torch.cat([mean, fixed.flatten(0, 1)], dim=1)
    sites = linear(linear(known, weights.site, weights.site_bias).relu(), weights.join_site)
    graph = torch.cat([links.sum(1) / count, inputs.graph], dim=1)
    around = sites.index_select(0, first) + sites.index_select(0, second)
    joined = linear(links, weights.join_link, weights.join_bias) + around.view(batch, most, -1)
    joined = joined + linear(graph, weights.join_graph)[:, None]
    joined = joined.relu().float() * present
    return joined, joined.sum(1) / count


def fused(inputs: Inputs, weights: Weights) -> tuple[Tensor, Tensor]:
    """`surroundings` compiled, on a processor, differentiable in the weights alone.

    The width must be a multiple of `LANES`.
    """
    encoded, mean = _Fused.apply(*inputs, *weights)
    return encoded, mean


class _Fused(torch.autograd.Function):
    """The compiled stage as an operation of torch."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        inputs, weights = Inputs(*arguments[:_INPUTS]), Weights(*arguments[_INPUTS:])
        batch, most, width = len(inputs.rows), inputs.ends.shape[1], len(weights.link)
        n_sites, empty = inputs.sites.shape[1], inputs.links.new_empty
        kept = (
            empty(batch, most, width),
            empty(batch, n_sites, width),
            empty(batch, n_sites, width),
            empty(batch, width),
        )
        encoded, mean = empty(batch, most, width), empty(batch, width)
        turned = _turned(weights)
        _encode(*map(_array, inputs), turned, *map(_array, kept), _array(encoded), _array(mean))
        ctx.save_for_backward(*inputs, *weights, *kept, encoded)
        return encoded, mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_encoded: Tensor, of_mean: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved = ctx.saved_tensors
        inputs = Inputs(*saved[:_INPUTS])
        weights = Weights(*saved[_INPUTS : _INPUTS + _WEIGHTS])
        turned = _turned(weights)
        gradients = _Turned(*map(np.zeros_like, turned))
        _differentiate(
            _array(of_encoded.contiguous()),
            _array(of_mean.contiguous()),
            *map(_array, inputs),
            turned,
            *map(_array, saved[_INPUTS + _WEIGHTS :]),
            gradients,
        )
        return *[None] * _INPUTS, *(torch.as_tensor(each.T) for each in gradients)


class _Turned(NamedTuple):
    """`Weights` as the compiled code reads them, (inputs, outputs)."""

    link: F32
    link_bias: F32
    site: F32
    site_bias: F32
    join_link: F32
    join_bias: F32
    join_site: F32
    join_graph: F32


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().numpy()


def _turned(weights: Weights) -> _Turned:
    return _Turned(*(np.ascontiguousarray(_array(each).T) for each in weights))


@called
def _reciprocal_degrees(ends: I64, out: F32) -> None:
    """One over the number of links of every site, at most one."""
    for site in range(len(out)):
        out[site] = 0.0
    for link in range(len(ends)):
        for d in range(2):
            out[ends[link, d]] += np.float32(1.0)
    for site in range(len(out)):
        out[site] = np.float32(1.0) / max(out[site], np.float32(1.0))


@called
def _set_mean(rows: F32, out: F32) -> None:
    """Mean of the rows, (1, width); zeros if there are none."""
    factor = np.float32(1.0) / np.float32(max(len(rows), 1))
    set_zero(out)
    for r in range(len(rows)):
        layers.add_row(out, 0, rows, r)
    layers.scale_all(out, factor)


@compiled
def _encode(  # type: ignore[no-untyped-def]
    links, sites, ends, rows, graph, n_links, w, hidden, at_sites, around, overall, encoded, mean
):
    """Encodes graph after graph.

    ``hidden`` (h), ``at_sites`` (means over the links of a site), ``around`` (u) and ``overall``
    (mean over all links) are kept for `_differentiate`.
    """
    n_sites, width = around.shape[1:]
    reciprocal = np.empty(n_sites, np.float32)
    competing = np.empty((n_sites, width), np.float32)
    shared = np.empty((1, width), np.float32)
    for b in range(len(rows)):
        row, n = rows[b], n_links[b]
        own, h, m, u, out = ends[row, :n], hidden[b, :n], at_sites[b], around[b], encoded[b, :n]
        layers.linear(links[row, :n], w.link, w.link_bias, h)
        relu(h)

        _reciprocal_degrees(own, reciprocal)
        set_zero(m)
        layers.add_links_to_sites(h, own, m)
        layers.scale_rows(m, reciprocal)
        layers.linear(m, w.site[:width], w.site_bias, u)
        add_linear(sites[row], w.site[width:], u)
        relu(u)
        set_zero(competing)
        add_linear(u, w.join_site, competing)

        _set_mean(h, overall[b : b + 1])
        layers.linear(overall[b : b + 1], w.join_graph[:width], w.join_bias, shared)
        add_linear(graph[b : b + 1], w.join_graph[width:], shared)

        set_rows(out, shared[0])
        add_linear(h, w.join_link, out)
        layers.add_sites_to_links(competing, own, out)
        relu(out)
        set_zero(encoded[b, n:])
        _set_mean(out, mean[b : b + 1])


@called
def _of_sums(of_encoded: F32, of_mean: F32, encoded: F32, out: F32) -> None:
    """Gradients before the last ReLU, (links, width), of the encodings and of their mean."""
    width = out.shape[1]
    factor = np.float32(1.0) / np.float32(max(len(out), 1))
    for r in range(len(out)):
        for o in range(0, width, LANES):
            i = r * width + o
            gradient = load(of_encoded, i) + factor * load(of_mean, o)
            store(out, i, where_positive(load(encoded, i), gradient))


@called
def _through_relu(gradient: F32, activated: F32) -> None:
    """Gradients before a ReLU from those behind it, in place."""
    for i in range(0, gradient.size, LANES):
        store(gradient, i, where_positive(load(activated, i), load(gradient, i)))


@called
def _add_sum(rows: F32, out: F32) -> None:
    """Adds all rows, (rows, width), to a vector, (width,)."""
    for r in range(len(rows)):
        for o in range(0, len(out), LANES):
            store(out, o, load(out, o) + load(rows, r * len(out) + o))


@compiled
def _differentiate(  # type: ignore[no-untyped-def]
    of_encoded, of_mean, links, sites, ends, rows, graph, n_links, w,
    hidden, at_sites, around, overall, encoded, g,
):  # fmt: skip
    """Adds the gradients of the weights to ``g``, graph after graph; see `_encode`."""
    most, (n_sites, width) = links.shape[1], around.shape[1:]
    # Gradients go back through the transposed weights.
    join_link, join_site = w.join_link.T.copy(), w.join_site.T.copy()
    site, join_graph = w.site[:width].T.copy(), w.join_graph[:width].T.copy()
    all_sums, all_hidden = np.empty((most, width), np.float32), np.empty((most, width), np.float32)
    of_competing, of_around = (
        np.empty((n_sites, width), np.float32),
        np.empty((n_sites, width), np.float32),
    )
    of_means, of_shared = np.empty((n_sites, width), np.float32), np.empty((1, width), np.float32)
    of_overall, reciprocal = of_shared.copy(), np.empty(n_sites, np.float32)
    for b in range(len(rows)):
        row, n = rows[b], n_links[b]
        own, h, m, u = ends[row, :n], hidden[b, :n], at_sites[b], around[b]
        of_sums, of_hidden = all_sums[:n], all_hidden[:n]
        _of_sums(of_encoded[b, :n], of_mean[b], encoded[b, :n], of_sums)
        add_weight_gradient(h, of_sums, g.join_link)

        set_zero(of_shared)
        _add_sum(of_sums, of_shared[0])
        _add_sum(of_shared, g.join_bias)
        add_weight_gradient(overall[b : b + 1], of_shared, g.join_graph[:width])
        add_weight_gradient(graph[b : b + 1], of_shared, g.join_graph[width:])
        set_zero(of_overall)
        add_linear(of_shared, join_graph, of_overall)
        layers.scale_all(of_overall, np.float32(1.0) / np.float32(max(n, 1)))

        set_zero(of_competing)
        layers.add_links_to_sites(of_sums, own, of_competing)
        add_weight_gradient(u, of_competing, g.join_site)
        set_zero(of_around)
        add_linear(of_competing, join_site, of_around)
        _through_relu(of_around, u)
        _add_sum(of_around, g.site_bias)
        add_weight_gradient(m, of_around, g.site[:width])
        add_weight_gradient(sites[row], of_around, g.site[width:])
        set_zero(of_means)
        add_linear(of_around, site, of_means)
        _reciprocal_degrees(own, reciprocal)
        layers.scale_rows(of_means, reciprocal)

        set_rows(of_hidden, of_overall[0])
        add_linear(of_sums, join_link, of_hidden)
        layers.add_sites_to_links(of_means, own, of_hidden)
        _through_relu(of_hidden, h)
        _add_sum(of_hidden, g.link_bias)
        add_weight_gradient(links[row, :n], of_hidden, g.link)
