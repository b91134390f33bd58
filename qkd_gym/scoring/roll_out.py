"""Compiled: what comes of first switches if a scored schedule goes on from there."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.envs.observation import Observation
from qkd_gym.features import COVER_S
from qkd_gym.jit import compiled, inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.step import step_one
from qkd_gym.network.state import LINK_ROW, POOL_ROW, State
from qkd_gym.scoring.choice import Scratch
from qkd_gym.scoring.play import decide
from qkd_gym.scoring.weights import Weights

_LEAST_COVER = 0.05  # of a pool's capacity, beside half an hour of its demand

NO_SWITCH = -1  # fills up the first switches of a candidate


@inlined
def stock_value(s: State, bank: Bank, p: np.record, b: int) -> float:
    """What the key in the pools is worth, in bits that it will let through.

    A pool that holds x against a demand of y in the next half hour is worth y (1 - exp(-x / y)):
    key is worth as much as what it serves, and less where there is more than is asked for.
    """
    total = 0.0
    for e in range(bank.networks[s.episodes[b].network].n_links):
        demand = s.links[b, LINK_ROW.demand_average, e] * COVER_S + _LEAST_COVER * p.capacity
        total += demand * (1.0 - math.exp(-s.pools[b, POOL_ROW.pool, e] / demand))
    return total


@inlined
def _copy_numbers(to: np.ndarray, source: np.ndarray) -> None:
    for i in range(len(to)):
        to[i] = source[i]


@inlined
def _copy(to: State, source: State, b: int) -> None:
    """Makes the only episode of a state a copy of another's."""
    to.episodes[0] = source.episodes[b]
    _copy_numbers(to.sites[0].reshape(-1), source.sites[b].reshape(-1))
    _copy_numbers(to.links[0].reshape(-1), source.links[b].reshape(-1))
    _copy_numbers(to.pools[0].reshape(-1), source.pools[b].reshape(-1))
    _copy_numbers(to.blocks[0].reshape(-1), source.blocks[b].reshape(-1))
    _copy_numbers(to.active[0], source.active[b])
    _copy_numbers(to.held[0].reshape(-1), source.held[b].reshape(-1))
    _copy_numbers(to.bursts[0], source.bursts[b])
    _copy_numbers(to.waiting[0], source.waiting[b])
    _copy_numbers(to.stored_history[0].reshape(-1), source.stored_history[b].reshape(-1))


@inlined
def _step(s: State, bank: Bank, p: np.record, link: int, work: Workspace) -> int:
    step_one(s, bank, p, 0, 0, link, work)
    return int(s.accounts[0, ACCOUNT.delivered_bits])


@compiled
def roll_out(
    w: Weights,
    futures: State,
    copy: State,
    o: Observation,
    bank: Bank,
    params: np.ndarray,
    firsts: np.ndarray,
    intervals: int,
    stock_weight: float,
    work: Workspace,
    scratch: Scratch,
    values: np.ndarray,
) -> None:
    """Tries first switches on the same futures.

    Args:
        w: Weights of the schedule that goes on.
        futures: The present with M futures.
        copy: One episode, which is written to.
        o: Buffers for its observations.
        bank: Networks.
        params: From `state.kernel_params`, (1,).
        firsts: Links that each candidate switches first, filled up with `NO_SWITCH`, (C, L).
        intervals: How many to look ahead.
        stock_weight: Weight of `stock_value` at the end of what is looked ahead, beside delivered
            key; an episode's end leaves nothing to count.
        work: Scratch space of the simulator.
        scratch: Scratch space of the scorer.
        values: Written to: delivered bits and the weighted worth of the stock, (C, M).
    """
    p = params[0]
    for m in range(len(futures.episodes)):
        stop = min(futures.episodes[m].interval + intervals, p.intervals)
        for c in range(len(firsts)):
            _copy(copy, futures, m)
            value = 0.0
            for i in range(firsts.shape[1]):
                if firsts[c, i] != NO_SWITCH:
                    value += _step(copy, bank, p, firsts[c, i], work)
            while copy.episodes[0].interval < stop:
                link = decide(w, copy, o, bank, p, 0, work, scratch)
                value += _step(copy, bank, p, link, work)
            if stop < p.intervals:
                value += stock_weight * stock_value(copy, bank, p, 0)
            values[c, m] = value
