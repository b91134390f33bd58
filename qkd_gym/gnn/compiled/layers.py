"""Layers of networks on one graph, in compiled code.

All arrays are float32 and lie in one piece, with a row per link or site; rows are whole vectors:
their length is a multiple of `LANES`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qkd_gym.jit import called
from qkd_gym.network.compiled.elementary import exp_single
from qkd_gym.network.compiled.simd import largest, load, load_one, spread, store, total
from qkd_gym.network.compiled.vectors import LANES

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_NORM_EPSILON = np.float32(1e-5)  # torch's
_SOFTMAX_EPSILON = np.float32(1e-16)  # torch-geometric's
_LEAST_EXPONENT = np.float32(-80.0)
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)


@called
def add_product(a: F32, row: int, column: int, weights: F32, out: F32) -> None:
    """Adds a matrix product: ``out[r] += sum over k of a[r, k] * weights[k]``.

    Args:
        a: The first matrix, of as many rows as ``out``.
        row: Numbers in memory from one of its rows to the next.
        column: Numbers from one of its columns to the next; with 1 and the width of a matrix in
            place of its width and 1, its transpose is multiplied.
        weights: The second matrix, (K, width).
        out: (rows, width).
    """
    rows, width = out.shape
    inner = len(weights)
    for o in range(0, width, LANES):
        # Four rows at a time read each weight once, and keep the sums in registers.
        for r in range(0, rows - 3, 4):
            p, q, s, t = (
                r * width + o,
                (r + 1) * width + o,
                (r + 2) * width + o,
                (r + 3) * width + o,
            )
            first, second, third, fourth = load(out, p), load(out, q), load(out, s), load(out, t)
            for k in range(inner):
                weight, i = load(weights, k * width + o), r * row + k * column
                first = first + load_one(a, i) * weight
                second = second + load_one(a, i + row) * weight
                third = third + load_one(a, i + 2 * row) * weight
                fourth = fourth + load_one(a, i + 3 * row) * weight
            store(out, p, first)
            store(out, q, second)
            store(out, s, third)
            store(out, t, fourth)
        for r in range(rows - rows % 4, rows):
            value = load(out, r * width + o)
            for k in range(inner):
                value = value + load_one(a, r * row + k * column) * load(weights, k * width + o)
            store(out, r * width + o, value)


@called
def add_linear(a: F32, weights: F32, out: F32) -> None:
    """Adds the matrix product of ``a``, (rows, K), and the weights, (K, width), to ``out``."""
    add_product(a, a.shape[1], 1, weights, out)


@called
def add_weight_gradient(a: F32, gradient: F32, out: F32) -> None:
    """Adds the gradient of the weights, (K, width), from that of `add_linear`'s sum,
    (rows, width), and its input ``a``, (rows, K)."""
    add_product(a, 1, a.shape[1], gradient, out)


@called
def linear(a: F32, weights: F32, bias: F32, out: F32) -> None:
    """``out = a weights + bias``, of shapes (rows, width), (rows, K), (K, width), (width,)."""
    set_rows(out, bias)
    add_linear(a, weights, out)


@called
def set_rows(out: F32, value: F32) -> None:
    """Sets every row, (rows, width), to a vector, (width,)."""
    for o in range(0, out.shape[1], LANES):
        vector = load(value, o)
        for r in range(len(out)):
            store(out, r * out.shape[1] + o, vector)


@called
def add_to_rows(value: F32, out: F32) -> None:
    """Adds a vector, (width,), to every row, (rows, width)."""
    for o in range(0, out.shape[1], LANES):
        vector = load(value, o)
        for r in range(len(out)):
            i = r * out.shape[1] + o
            store(out, i, load(out, i) + vector)


@called
def set_zero(out: F32) -> None:
    """Sets a matrix to zero."""
    for i in range(0, out.size, LANES):
        store(out, i, spread(_ZERO))


@called
def scale_all(x: F32, factor: np.float32) -> None:
    """Multiplies a matrix by a number."""
    for i in range(0, x.size, LANES):
        store(x, i, factor * load(x, i))


@called
def relu(x: F32) -> None:
    """Sets negative numbers of a matrix to zero."""
    for i in range(0, x.size, LANES):
        store(x, i, largest(load(x, i), spread(_ZERO)))


@called
def layer_norm(x: F32, scale: F32, shift: F32) -> None:
    """Normalises every row, (rows, width), scales and shifts it by (width,) each."""
    width = x.shape[1]
    for r in range(len(x)):
        start = r * width
        mean, variance = _ZERO, _ZERO
        for o in range(0, width, LANES):
            mean += total(load(x, start + o))
        mean /= np.float32(width)
        for o in range(0, width, LANES):
            difference = load(x, start + o) - mean
            variance += total(difference * difference)
        factor = _ONE / np.float32(math.sqrt(variance / np.float32(width) + _NORM_EPSILON))
        for o in range(0, width, LANES):
            normal = (load(x, start + o) - mean) * factor
            store(x, start + o, normal * load(scale, o) + load(shift, o))


@called
def add_row(out: F32, target: int, x: F32, source: int) -> None:
    """Adds a row of ``x`` to a row of ``out``, of the same width."""
    width = out.shape[1]
    for o in range(0, width, LANES):
        i = target * width + o
        store(out, i, load(out, i) + load(x, source * width + o))


@called
def add_links_to_sites(links: F32, ends: I64, sites: F32) -> None:
    """Adds the row of every link to those of its two sites."""
    for link in range(len(ends)):
        add_row(sites, ends[link, 0], links, link)
        add_row(sites, ends[link, 1], links, link)


@called
def add_sites_to_links(sites: F32, ends: I64, links: F32) -> None:
    """Adds the rows of its two sites to that of every link."""
    for link in range(len(ends)):
        add_row(links, link, sites, ends[link, 0])
        add_row(links, link, sites, ends[link, 1])


@called
def scale_rows(x: F32, factors: F32) -> None:
    """Multiplies every row by a factor of its own, (rows,)."""
    width = x.shape[1]
    for r in range(len(x)):
        for o in range(0, width, LANES):
            store(x, r * width + o, factors[r] * load(x, r * width + o))


@called
def softmax_at_sites(logits: F32, ends: I64, highest: F32, summed: F32) -> None:
    """Makes logits weights that sum to one over what enters a site, for each head.

    Args:
        logits: (links, 2, heads); ``[l, d]`` belongs to the direction of link ``l`` that enters
            the site ``ends[l, d]``.
        ends: (links, 2) sites of every link.
        highest: Scratch space, (sites, heads).
        summed: Scratch space, (sites, heads).
    """
    links, _, heads = logits.shape
    for site in range(len(highest)):
        for h in range(heads):
            highest[site, h], summed[site, h] = np.float32(-np.inf), _SOFTMAX_EPSILON
    for link in range(links):
        for d in range(2):
            for h in range(heads):
                highest[ends[link, d], h] = max(highest[ends[link, d], h], logits[link, d, h])
    for link in range(links):
        for d in range(2):
            for h in range(heads):
                logits[link, d, h] -= highest[ends[link, d], h]
    flat = logits.reshape(-1)
    for i in range(len(flat)):  # alone, so that it becomes vector instructions
        flat[i] = exp_single(max(flat[i], _LEAST_EXPONENT))
    for link in range(links):
        for d in range(2):
            for h in range(heads):
                summed[ends[link, d], h] += logits[link, d, h]
    for link in range(links):
        for d in range(2):
            for h in range(heads):
                logits[link, d, h] /= summed[ends[link, d], h]
