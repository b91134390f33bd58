"""The viability network in compiled code, for inference on a processor.

It computes what `LinkViabilityGNN.embed` computes, five times as fast: graph by graph, in the
nearest cache, and with what the convolutions make of the links' features computed once for all
passes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from qkd_gym.features import LINK
from qkd_gym.gnn.compiled.layers import (
    add_linear,
    add_to_rows,
    layer_norm,
    linear,
    relu,
    set_zero,
    softmax_at_sites,
)
from qkd_gym.gnn.model import NETWORK_SUMS, SITE_SUMS, LinkViabilityGNN
from qkd_gym.jit import called, compiled
from qkd_gym.network.compiled.elementary import log1p_single
from qkd_gym.network.compiled.simd import largest, load, store, total
from qkd_gym.network.compiled.vectors import LANES

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_SLOPE = np.float32(0.2)  # of GATv2Conv's leaky ReLU
_N_SUMS = len(SITE_SUMS) + len(NETWORK_SUMS)


class Linear(NamedTuple):
    """A linear layer, or several of the same input side by side."""

    weight: F32  # (inputs, outputs)
    bias: F32  # (outputs,)


class Norm(NamedTuple):
    """A layer norm."""

    scale: F32  # (width,)
    shift: F32  # (width,)


class Weights(NamedTuple):
    """Weights of `LinkViabilityGNN`, laid out for `_embed`."""

    site_columns: I64  # site features that are read
    link_columns: I64  # link features that are read
    site_in: Linear
    link_in: Linear
    link_hidden: Linear
    transformer: Linear  # query, key, value and skip, side by side
    transformer_edge: F32  # (width, width)
    transformer_norm: Norm
    attention: Linear  # of the site that is entered, and of that which is left, side by side
    attention_edge: F32  # (width, width)
    attention_vector: F32  # (width,)
    attention_bias: F32  # (width,)
    attention_norm: Norm
    pair: Linear
    pair_norm: Norm
    out: Linear
    out_norm: Norm


def fits(model: LinkViabilityGNN) -> bool:
    """Whether the compiled code can play this model: a head must be one vector wide."""
    return model.hidden == LANES * model.heads


def weights_of(model: LinkViabilityGNN) -> Weights:
    """The weights of a model as they are now."""
    transformer, attention = model.transformer, model.attention
    edge_mlp = model.edge_mlp
    return Weights(
        np.array(model.site_columns),
        np.array(model.link_columns),
        _linear(model.site_in),
        _linear(model.link_in[0]),
        _linear(model.link_in[2]),
        _linear(
            transformer.lin_query, transformer.lin_key, transformer.lin_value, transformer.lin_skip
        ),
        _turned(transformer.lin_edge.weight),
        _norm(model.transformer_norm),
        _linear(attention.lin_r, attention.lin_l),
        _turned(attention.lin_edge.weight),
        _flat(attention.att),
        _flat(attention.bias),
        _norm(model.attention_norm),
        _linear(edge_mlp[0]),
        _norm(edge_mlp[1]),
        _linear(edge_mlp[3]),
        _norm(edge_mlp[4]),
    )


def _turned(weight: Tensor) -> F32:
    return np.ascontiguousarray(weight.detach().numpy().T)


def _flat(weight: Tensor) -> F32:
    return weight.detach().numpy().reshape(-1)


def _linear(*layers: Any) -> Linear:
    weight = torch.cat([layer.weight for layer in layers])
    return Linear(_turned(weight), _flat(torch.cat([layer.bias for layer in layers])))


def _norm(layer: Any) -> Norm:
    return Norm(_flat(layer.weight), _flat(layer.bias))


class Embedder:
    """A model in compiled code, whose weights are laid out anew only when they have changed.

    Args:
        model: A model on a processor that `fits`.
    """

    def __init__(self, model: LinkViabilityGNN) -> None:
        self._model = model
        self._values = torch.empty(0)
        self._weights: Weights

    def __call__(self, nodes: F32, links: F32, ends: I64, n_links: I64) -> NDArray[np.float32]:
        """One embedding per link, (B, E, hidden) float32, zeros at padding.

        Args:
            nodes: (B, N, features) float32, columns as in `qkd_gym.features.NODE`.
            links: (B, E, features) float32, columns as in `qkd_gym.features.LINK`.
            ends: (B, E, 2) int64, sites of each link.
            n_links: (B,) int64, number of links; those after them are padding.
        """
        values = parameters_to_vector(self._model.parameters()).detach()
        if not values.equal(self._values):
            self._values, self._weights = values, weights_of(self._model)
        embedding = np.zeros((*links.shape[:2], self._model.hidden), np.float32)
        nodes, links = np.ascontiguousarray(nodes), np.ascontiguousarray(links)
        _embed(nodes, links, ends, n_links, self._model.passes, self._weights, embedding)
        return embedding


@called
def _read_links(links: F32, columns: I64, out: F32) -> None:
    for link in range(len(out)):
        for i in range(len(columns)):
            out[link, i] = links[link, columns[i]]


@called
def _read_sites(nodes: F32, columns: I64, links: F32, ends: I64, out: F32) -> None:
    """A site's features, then what has been measured on its links and on all of them, see
    `model.site_sums` and `model.network_sums`."""
    first = len(columns)
    for site in range(len(out)):
        for i in range(first):
            out[site, i] = nodes[site, columns[i]]
        for i in range(first, out.shape[1]):
            out[site, i] = 0.0
    seen, around, qber = first, first + 1, first + 2
    network_seen, network_qber, network_rate = first + 3, first + 4, first + 5
    all_seen, all_qber, all_rate = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for link in range(len(ends)):
        measured = links[link, LINK.freshness] > np.float32(0.0)
        if measured:
            all_seen += np.float32(1.0)
            all_qber += links[link, LINK.observed_qber]
            all_rate += links[link, LINK.observed_rate]
        for d in range(2):
            site = ends[link, d]
            out[site, around] += np.float32(1.0)
            if measured:
                out[site, seen] += np.float32(1.0)
                out[site, qber] += links[link, LINK.observed_qber]
    for site in range(len(out)):
        measurements = out[site, seen]
        out[site, around] = measurements / max(out[site, around], np.float32(1.0))
        out[site, qber] /= measurements + np.float32(1.0)
        out[site, seen] = measurements / np.float32(4.0)
        out[site, network_seen] = log1p_single(all_seen) / np.float32(4.0)
        out[site, network_qber] = all_qber / (all_seen + np.float32(1.0))
        out[site, network_rate] = all_rate / (all_seen + np.float32(1.0))


@called
def _transform(
    projected: F32, edges: F32, ends: I64, logits: F32, highest: F32, summed: F32, sites: F32
) -> None:
    """Adds to the sites what `TransformerConv` gives them.

    Args:
        projected: (sites, 4 width) query, key, value and skip.
        edges: (links, width) of the links' features.
        ends: (links, 2) sites of every link.
        logits: Scratch space, (links, 2, heads); ``highest`` and ``summed``, (sites, heads), too.
        highest: See ``logits``.
        summed: See ``logits``.
        sites: (sites, width), changed.
    """
    width, heads = edges.shape[1], logits.shape[2]
    scale = np.float32(1.0 / math.sqrt(LANES))
    for link in range(len(ends)):
        for d in range(2):
            query = 4 * width * ends[link, d]
            key = 4 * width * ends[link, 1 - d] + width
            for h in range(heads):
                o = h * LANES
                keyed = load(projected, key + o) + load(edges, link * width + o)
                logits[link, d, h] = scale * total(load(projected, query + o) * keyed)
    softmax_at_sites(logits, ends, highest, summed)
    for site in range(len(sites)):
        for o in range(0, width, LANES):
            skip = load(projected, 4 * width * site + 3 * width + o)
            store(sites, width * site + o, load(sites, width * site + o) + skip)
    for link in range(len(ends)):
        for d in range(2):
            value = 4 * width * ends[link, 1 - d] + 2 * width
            for h in range(heads):
                o = h * LANES
                message = load(projected, value + o) + load(edges, link * width + o)
                i = ends[link, d] * width + o
                store(sites, i, load(sites, i) + logits[link, d, h] * message)


@called
def _attend(
    projected: F32,
    edges: F32,
    ends: I64,
    vector: F32,
    logits: F32,
    highest: F32,
    summed: F32,
    sites: F32,
) -> None:
    """Adds to the sites what `GATv2Conv` gives them, but for its bias.

    Args:
        projected: (sites, 2 width) of the site that is entered and of that which is left.
        edges: (links, width) of the links' features.
        ends: (links, 2) sites of every link.
        vector: (width,) what logits are products with.
        logits: Scratch space, (links, 2, heads); ``highest`` and ``summed``, (sites, heads), too.
        highest: See ``logits``.
        summed: See ``logits``.
        sites: (sites, width), changed.
    """
    width, heads = edges.shape[1], logits.shape[2]
    for link in range(len(ends)):
        for d in range(2):
            own, other = 2 * width * ends[link, d], 2 * width * ends[link, 1 - d] + width
            for h in range(heads):
                o = h * LANES
                x = load(projected, own + o) + load(projected, other + o)
                x = x + load(edges, link * width + o)
                logits[link, d, h] = total(load(vector, o) * largest(x, _SLOPE * x))
    softmax_at_sites(logits, ends, highest, summed)
    for link in range(len(ends)):
        for d in range(2):
            other = 2 * width * ends[link, 1 - d] + width
            for h in range(heads):
                i, weight = ends[link, d] * width + h * LANES, logits[link, d, h]
                message = load(projected, other + h * LANES)
                store(sites, i, load(sites, i) + weight * message)


@called
def _pair_up(sites: F32, links: F32, ends: I64, out: F32) -> None:
    """Sum and distance of the sites of every link, and the link itself, side by side."""
    width = links.shape[1]
    for link in range(len(ends)):
        first, second = width * ends[link, 0], width * ends[link, 1]
        for o in range(0, width, LANES):
            a, b, i = load(sites, first + o), load(sites, second + o), 3 * width * link + o
            store(out, i, a + b)
            store(out, i + width, largest(a - b, b - a))
            store(out, i + 2 * width, load(links, link * width + o))


@compiled
def _embed(  # type: ignore[no-untyped-def]
    nodes, links, ends, n_links, passes, w, embedding
):
    width, n_sites, most = embedding.shape[2], nodes.shape[1], links.shape[1]
    # Scratch space for the largest graph, of which smaller ones use the first rows.
    read_sites = np.empty((n_sites, len(w.site_columns) + _N_SUMS), np.float32)
    all_read = np.empty((most, len(w.link_columns)), np.float32)
    all_hidden = np.empty((most, width), np.float32)
    all_encoded, all_first, all_second = (
        all_hidden.copy(), all_hidden.copy(), all_hidden.copy()
    )  # fmt: skip
    all_pairs = np.empty((most, 3 * width), np.float32)
    all_logits = np.empty((most, 2, width // LANES), np.float32)
    sites = np.empty((n_sites, width), np.float32)
    four, two = (
        np.empty((n_sites, 4 * width), np.float32),
        np.empty((n_sites, 2 * width), np.float32),
    )
    highest = np.empty((n_sites, width // LANES), np.float32)
    summed = highest.copy()
    for b in range(len(nodes)):
        n = n_links[b]
        own = ends[b, :n]
        hidden, encoded, logits = all_hidden[:n], all_encoded[:n], all_logits[:n]
        read, first, second, pairs = all_read[:n], all_first[:n], all_second[:n], all_pairs[:n]

        _read_links(links[b], w.link_columns, read)
        linear(read, w.link_in.weight, w.link_in.bias, hidden)
        relu(hidden)
        linear(hidden, w.link_hidden.weight, w.link_hidden.bias, encoded)
        set_zero(first)
        add_linear(encoded, w.transformer_edge, first)
        set_zero(second)
        add_linear(encoded, w.attention_edge, second)

        _read_sites(nodes[b], w.site_columns, links[b], own, read_sites)
        linear(read_sites, w.site_in.weight, w.site_in.bias, sites)
        for _ in range(passes):
            linear(sites, w.transformer.weight, w.transformer.bias, four)
            _transform(four, first, own, logits, highest, summed, sites)
            layer_norm(sites, w.transformer_norm.scale, w.transformer_norm.shift)
            relu(sites)
            linear(sites, w.attention.weight, w.attention.bias, two)
            add_to_rows(w.attention_bias, sites)
            _attend(two, second, own, w.attention_vector, logits, highest, summed, sites)
            layer_norm(sites, w.attention_norm.scale, w.attention_norm.shift)

        _pair_up(sites, encoded, own, pairs)
        linear(pairs, w.pair.weight, w.pair.bias, hidden)
        layer_norm(hidden, w.pair_norm.scale, w.pair_norm.shift)
        relu(hidden)
        out = embedding[b, :n]
        linear(hidden, w.out.weight, w.out.bias, out)
        layer_norm(out, w.out_norm.scale, w.out_norm.shift)
