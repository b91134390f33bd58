"""Compiled: which link to switch next, by what links are worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.features import LINK, NODE
from qkd_gym.jit import inlined
from qkd_gym.network.compiled.elementary import exp_single, log_single
from qkd_gym.network.compiled.memory import padded, zeros
from qkd_gym.network.compiled.simd import (
    largest,
    load,
    load_one,
    multiply_add,
    spread,
    store,
)
from qkd_gym.network.compiled.vectors import LANES, fill, use_widest_vectors
from qkd_gym.scoring.inputs import INPUT, INPUT_NAMES
from qkd_gym.scoring.measures import write_inputs
from qkd_gym.scoring.weights import RULE, Weights

F32 = NDArray[np.float32]
_ZERO, _ONE, _TINY = np.float32(0.0), np.float32(1.0), np.float32(1e-6)
_NEVER = np.float32(np.inf)


class Scratch(NamedTuple):
    """Scratch space for one observation, and what its last choice was made by.

    E is padded to whole vectors.

    Attributes:
        inputs: Inputs of every link, (len(INPUT), E).
        worth: What it is worth that a link runs, (E,).
        price: What giving up a link costs, (E,).
        gain: Worth of switching a link on, less the price of those that make way, (E,); minus
            infinity where that is no option.
        works: 1 for links that seem to work, (E,).
        sites: Numbers per site, (3, N).
        pairs: Numbers per pair of sites, (3, N, N); zero between choices.
        makes_way: Link that a site without a free module gives up, E for none, (N,).
    """

    inputs: F32
    worth: F32
    price: F32
    gain: F32
    works: F32
    sites: F32
    pairs: F32
    makes_way: NDArray[np.int64]


def new_scratch(links: int, sites: int) -> Scratch:
    """Scratch space for observations of so many links and sites."""
    return Scratch(
        **zeros(
            inputs=((len(INPUT_NAMES), padded(links)), np.float32),
            worth=((padded(links),), np.float32),
            price=((padded(links),), np.float32),
            gain=((padded(links),), np.float32),
            works=((padded(links),), np.float32),
            sites=((3, sites), np.float32),
            pairs=((3, sites, sites), np.float32),
            makes_way=((sites,), np.int64),
        )
    )


@inlined
def _score_by_rule(w: Weights, links: F32, scratch: Scratch) -> None:
    """The rule's score of every link, into `worth`, and 1 + hysteresis times it, into `price`."""
    use_widest_vectors()
    x, worth, price, rule = scratch.inputs, scratch.worth, scratch.price, w.rule
    for e in range(len(worth)):
        demand = exp_single(x[INPUT.demand, e]) - _ONE
        rate = exp_single(x[INPUT.rate, e]) - _ONE
        power = rule[RULE.demand_power] * log_single(max(demand, _TINY))
        power += rule[RULE.rate_power] * log_single(max(rate, _TINY))
        lack = x[INPUT.lack, e]
        lack += rule[RULE.cover_weight] * (x[INPUT.uncovered, e] - lack)
        served = min(_ONE, rate / max(demand, _TINY))
        unmet = (exp_single(x[INPUT.blocked, e]) - _ONE) * served
        worth[e] = lack * exp_single(power) + rule[RULE.kappa] * unmet
    for e in range(len(worth)):
        price[e] = (_ONE + rule[RULE.hysteresis]) * worth[e]


@inlined
def _add_network(w: Weights, scratch: Scratch) -> None:
    """Adds what is linear in the inputs and in the hidden units."""
    use_widest_vectors()
    x, n, n_inputs = scratch.inputs, len(scratch.worth), len(w.on)
    for e in range(0, n, LANES):
        worth, price = load(scratch.worth, e), load(scratch.price, e)
        for k in range(n_inputs):
            value = load(x, k * n + e)
            worth = multiply_add(load_one(w.on, k), value, worth)
            price = multiply_add(load_one(w.off, k), value, price)
        for h in range(len(w.hidden_on)):
            unit = spread(_ZERO)
            for k in range(n_inputs):
                unit = multiply_add(load_one(w.hidden, h * n_inputs + k), load(x, k * n + e), unit)
            unit = largest(unit, spread(_ZERO))
            worth = multiply_add(load_one(w.hidden_on, h), unit, worth)
            price = multiply_add(load_one(w.hidden_off, h), unit, price)
        store(scratch.worth, e, worth)
        store(scratch.price, e, price)


@inlined
def _find_who_makes_way(
    links: F32, nodes: F32, ends: np.ndarray, n_links: int, mask: np.ndarray, scratch: Scratch
) -> None:
    """At every full site the running link of the least price that may still be switched."""
    price, makes_way = scratch.price, scratch.makes_way
    fill(makes_way, 0, len(makes_way), n_links)
    for e in range(n_links):
        if links[LINK.active, e] > 0.0:
            for side in range(2):
                v = ends[e, side]
                best = makes_way[v]
                if mask[e] and (best == n_links or price[e] < price[best]):
                    makes_way[v] = e
    for v in range(len(makes_way)):
        if nodes[NODE.modules_used, v] <= 1.0 - 1e-6:
            makes_way[v] = -1  # nobody has to


@inlined
def choose(
    w: Weights,
    links: F32,
    nodes: F32,
    ends: np.ndarray,
    n_links: int,
    mask: np.ndarray,
    context: F32,
    setting: F32,
    scratch: Scratch,
) -> int:
    """The next link to switch, or E to hold.

    The link whose worth exceeds the price of those that make way by the most is wanted, if by more
    than nothing; of those the first still running is switched off, and when there is none, the
    wanted link is switched on.

    Args:
        w: Weights.
        links: Features of the links, (len(LINK), at least E).
        nodes: Features of the sites, (len(NODE), at least N).
        ends: Sites of each link, (E, 2).
        n_links: Links that are no padding.
        mask: Links that may be switched, and hold, (E + 1,).
        context: Features of the network, (len(CONTEXT),).
        setting: Features of the setting, (len(SETTING),).
        scratch: Scratch space; its `worth`, `price`, `gain` and `makes_way` say why.
    """
    x = scratch.inputs
    write_inputs(
        x, links, nodes, ends, n_links, context, setting,
        scratch.works, scratch.sites, scratch.pairs,
    )  # fmt: skip
    _score_by_rule(w, links, scratch)
    _add_network(w, scratch)
    _find_who_makes_way(links, nodes, ends, n_links, mask, scratch)
    price, gain, makes_way = scratch.price, scratch.gain, scratch.makes_way
    best, most = -1, _ZERO
    for e in range(n_links):
        gain[e] = -_NEVER
        if links[LINK.active, e] > 0.0 or not mask[e]:
            continue
        gain[e] = scratch.worth[e]
        first, second = makes_way[ends[e, 0]], makes_way[ends[e, 1]]
        if first >= 0:
            gain[e] -= price[first] if first < n_links else _NEVER
        if second >= 0 and second != first:
            gain[e] -= price[second] if second < n_links else _NEVER
        if gain[e] > most:
            best, most = e, gain[e]
    if best < 0:
        return len(mask) - 1
    for side in range(2):
        other = makes_way[ends[best, side]]
        if other >= 0:
            return other
    return best
