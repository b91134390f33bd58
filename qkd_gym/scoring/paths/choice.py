"""Compiled: which path a request takes, or none, by what key is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import CONTEXT, HOPS_SCALE, NODE, PATH, REQUEST
from qkd_gym.jit import inlined
from qkd_gym.network.compiled.elementary import exp_single, log_single
from qkd_gym.network.compiled.simd import load, load_one, multiply_add, spread, store
from qkd_gym.network.compiled.vectors import LANES, use_widest_vectors
from qkd_gym.scoring import choice
from qkd_gym.scoring.measures import write_inputs
from qkd_gym.scoring.paths.inputs import PATH_INPUT, PATH_INPUT_NAMES, PRICED
from qkd_gym.scoring.paths.weights import PathWeights

F32 = NDArray[np.float32]
_ZERO, _ONE, _HALF, _TINY = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(1e-6)
_LARGEST = np.float32(20.0)  # logarithm of a price, up and down
_HOPS, _SCARCE, _ENDING = np.float32(HOPS_SCALE), np.float32(-8.0), np.float32(-10.0)
_PRODUCTS = (
    (PATH_INPUT.value_value, PATH_INPUT.value, PATH_INPUT.value),
    (PATH_INPUT.value_left, PATH_INPUT.value, PATH_INPUT.left),
    (PATH_INPUT.value_patience, PATH_INPUT.value, PATH_INPUT.patience),
    (PATH_INPUT.value_blocked_share, PATH_INPUT.value, PATH_INPUT.blocked_share),
    (PATH_INPUT.value_ending, PATH_INPUT.value, PATH_INPUT.ending),
    (PATH_INPUT.left_size, PATH_INPUT.left, PATH_INPUT.size),
    (PATH_INPUT.left_patience, PATH_INPUT.left, PATH_INPUT.patience),
)


class Scratch(NamedTuple):
    """Scratch space for one observation.

    Attributes:
        links: For the inputs of its links; their prices are written to its `price`.
        inputs: Inputs of the path that is looked at, (len(PATH_INPUT),).
    """

    links: choice.Scratch
    inputs: F32


def new_scratch(links: int, sites: int) -> Scratch:
    """Scratch space for observations of so many links and sites."""
    return Scratch(choice.new_scratch(links, sites), np.zeros(len(PATH_INPUT_NAMES), np.float32))


@inlined
def _price_links(w: PathWeights, scratch: choice.Scratch) -> None:
    use_widest_vectors()
    x, price = scratch.inputs, scratch.price
    n = len(price)
    for e in range(0, n, LANES):
        logarithm = spread(_ZERO)
        for k in range(len(PRICED)):
            logarithm = multiply_add(load_one(w.price, k), load(x, PRICED[k] * n + e), logarithm)
        store(price, e, logarithm)
    for e in range(n):
        price[e] = exp_single(min(max(price[e], -_LARGEST), _LARGEST))


@inlined
def _write_request(x: F32, nodes: F32, context: F32, request: F32, sites: np.ndarray) -> None:
    """Inputs that are the same for all paths of a request."""
    first, second = sites[0], sites[1]
    demand, blocked = nodes[NODE.demand_average], nodes[NODE.blocked_average]
    x[PATH_INPUT.one] = _ONE
    x[PATH_INPUT.value] = log_single(max(request[REQUEST.value], np.float32(1e-2)))
    x[PATH_INPUT.size] = request[REQUEST.size]
    x[PATH_INPUT.patience] = request[REQUEST.patience]
    x[PATH_INPUT.waits] = _ONE if request[REQUEST.patience] > _ZERO else _ZERO
    x[PATH_INPUT.feasible] = request[REQUEST.feasible_paths]
    x[PATH_INPUT.demand] = _HALF * (demand[first] + demand[second])
    x[PATH_INPUT.blocked] = _HALF * (blocked[first] + blocked[second])
    x[PATH_INPUT.blocked_share] = context[CONTEXT.blocked_share]
    x[PATH_INPUT.elapsed] = context[CONTEXT.elapsed]
    x[PATH_INPUT.ending] = exp_single(_ENDING * (_ONE - context[CONTEXT.elapsed]))


@inlined
def _write_path(x: F32, path: F32) -> None:
    """Inputs of a path, and all products."""
    cover = max(path[PATH.cover], _TINY)  # fill / (fill + request)
    left = path[PATH.bottleneck] * (_ONE - (_ONE - cover) / cover)
    x[PATH_INPUT.hops] = log_single(max(_HOPS * path[PATH.hops], _ONE))
    x[PATH_INPUT.left] = left
    x[PATH_INPUT.scarce] = exp_single(_SCARCE * max(left, _ZERO))
    x[PATH_INPUT.active] = path[PATH.active_share]
    for to, first, second in _PRODUCTS:
        x[to] = x[first] * x[second]


@inlined
def _score(w: PathWeights, path: F32, links: np.ndarray, price: F32, x: F32) -> np.float32:
    """What it is worth to serve the request over a path whose inputs have been written."""
    cost, worth = _ZERO, _ZERO
    for h in range(int(_HOPS * path[PATH.hops] + _HALF)):
        cost += price[links[h]]
    for k in range(len(w.score)):
        worth += w.score[k] * x[k]
    for h in range(len(w.hidden_score)):
        unit = _ZERO
        for k in range(len(w.score)):
            unit += w.hidden[h, k] * x[k]
        worth += w.hidden_score[h] * max(unit, _ZERO)
    return worth - log_single(cost)


@inlined
def choose(
    w: PathWeights,
    links: F32,
    nodes: F32,
    ends: np.ndarray,
    n_links: int,
    mask: np.ndarray,
    context: F32,
    setting: F32,
    request: F32,
    sites: np.ndarray,
    paths: F32,
    path_links: np.ndarray,
    scratch: Scratch,
) -> int:
    """The path of the largest score, if that is more than nothing, or else K to refuse.

    Args:
        w: Weights.
        links: Features of the links, (len(LINK), at least E).
        nodes: Features of the sites, (len(NODE), at least N).
        ends: Sites of each link, (E, 2).
        n_links: Links that are no padding.
        mask: Paths that hold the key, and refusal, (K + 1,).
        context: Features of the network, (len(CONTEXT),).
        setting: Zeros, (len(SETTING),): who decides paths is not told it.
        request: Features of the request, (len(REQUEST),).
        sites: Its two ends, (2,).
        paths: Features of its candidate paths, (K, len(PATH)).
        path_links: Their links, (K, H).
        scratch: Scratch space.
    """
    of_links, x = scratch.links, scratch.inputs
    write_inputs(
        of_links.inputs, links, nodes, ends, n_links, context, setting,
        of_links.works, of_links.sites, of_links.pairs,
    )  # fmt: skip
    _price_links(w, of_links)
    _write_request(x, nodes, context, request, sites)
    best, most = len(paths), _ZERO
    for k in range(len(paths)):
        if mask[k]:
            _write_path(x, paths[k])
            score = _score(w, paths[k], path_links[k], of_links.price, x)
            if score > most:
                best, most = k, score
    return best
