"""The compiled calls of the environments: step and observe, or start and observe, a batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.observation import observe_one
from qkd_gym.network.compiled.jit import bare_entry, entry, inlined
from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.dynamics.reset import reset_one
from qkd_gym.network.dynamics.step import ACTIVATION, step_one
from qkd_gym.network.sharing import (
    borrow,
    close_call,
    join_call,
    leave_call,
    lend,
    open_call,
    take,
)
from qkd_gym.network.state import BIT_NAMES

# Rows of `Results.amounts`.
AMOUNT_NAMES = ("reward", "key", "qber", "qber_weighted_bits", "elapsed_s")


class Results(NamedTuple):
    """What a step returns beside observations."""

    bits: NDArray[np.int64]  # (len(BIT_NAMES), B)
    amounts: NDArray[np.float64]  # (len(AMOUNT_NAMES), B)
    over: NDArray[np.bool_]  # (B,)
    terminated: NDArray[np.bool_]  # (B,), never: time alone ends an episode


def allocate_results(batch: int) -> Results:
    """Zeroed results of ``batch`` episodes."""
    arrays = zeros(
        bits=((len(BIT_NAMES), batch), np.int64),
        amounts=((len(AMOUNT_NAMES), batch), np.float64),
        over=((batch,), np.bool_),
        terminated=((batch,), np.bool_),
    )
    return Results(**arrays)


@inlined
def _report(results, s, p, b, decides):  # type: ignore[no-untyped-def]
    episode = s.episodes[b]
    for k in range(s.bits.shape[1]):
        results.bits[k, b] = s.bits[b, k]
    results.amounts[0, b] = episode.key_term + episode.qber_term
    results.amounts[1, b] = episode.key_term
    results.amounts[2, b] = episode.qber_term
    results.amounts[3, b] = episode.qber_bits
    results.amounts[4, b] = episode.interval * p.interval_s
    waiting = decides != ACTIVATION and episode.cursor < episode.n_requests
    results.over[b] = episode.interval >= p.intervals and not waiting
    results.terminated[b] = False


@bare_entry
def play(s, bank, params, decides, me, words, room, work, lent):  # type: ignore[no-untyped-def]
    """Steps episodes and observes them, as thread ``me`` of a `qkd_gym.network.threads.Team`.

    Both in one call, while an episode's state is in the processor's nearest cache, and now
    forwards, now backwards: the last episodes of a step are still in a near cache at the next.

    Args:
        s: State.
        bank: Networks.
        params: Parameters, (1,).
        decides: What a step decides.
        me: Number of the thread.
        words: What the threads share.
        room: For what is lent.
        work: Scratch space.
        lent: Paths and links that are decided, observations and results.

    Returns:
        Whether every thread is done.
    """
    p = params[0]
    if me == 0:
        lend(room, lent)
        call = open_call(words)
    else:
        call = join_call(words, 0)
    while call > 0:
        paths, links, observations, results = borrow(room, lent)
        backwards = call % 2 == 1
        first, stop, ends = take(words, me)
        while first < stop:
            for i in range(first, stop):
                b = ends - i if backwards else i
                step_one(s, bank, p, b, decides, paths[b], links[b], work)
                observe_one(observations, s, bank, p, b, decides, work)
                _report(results, s, p, b, decides)
            first, stop, ends = take(words, me)
        if me == 0:
            return close_call(words)
        leave_call(words)
        call = join_call(words, call)
    return True


@entry
def start_some(  # type: ignore[no-untyped-def]
    episodes, networks, keys, s, bank, params, decides, work, observations, results
):
    """Starts these episodes on these networks, with these keys, and observes them."""
    for i in range(len(episodes)):
        b = episodes[i]
        reset_one(s, bank, params[0], b, networks[i], keys[i], decides, work)
        observe_one(observations, s, bank, params[0], b, decides, work)
        _report(results, s, params[0], b, decides)
