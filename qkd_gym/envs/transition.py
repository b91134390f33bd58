"""The compiled calls of the environments: step and observe, or start and observe, a batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.observe import observe_one
from qkd_gym.envs.totals import add_step, begin_sums, fetch_sums
from qkd_gym.jit import TypedOnce, compiled, compiled_without_references, inlined
from qkd_gym.network.accounts import ACCOUNT_NAMES
from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.dynamics.relay import current_request, is_asked
from qkd_gym.network.dynamics.reset import reset_one
from qkd_gym.network.dynamics.step import step_one


class Results(NamedTuple):
    """What a step of B episodes returns beside observations."""

    accounts: NDArray[np.int64]  # (len(ACCOUNT_NAMES), B)
    reward: NDArray[np.float64]  # (B,), the sum of its terms
    reward_terms: NDArray[np.float64]  # (terms of the reward, B)
    qber_weighted_bits: NDArray[np.float64]  # (B,), delivered key times mean QBER of its links
    offered_value_bits: NDArray[np.float64]  # (B,), offered key times the value of its class
    delivered_value_bits: NDArray[np.float64]  # (B,), the same of delivered key
    elapsed_s: NDArray[np.float64]  # (B,), since the start of the episode
    over: NDArray[np.bool_]  # (B,)
    terminated: NDArray[np.bool_]  # (B,), never: time alone ends an episode


def allocate_results(batch: int, terms: int) -> Results:
    """Zeroed results of ``batch`` episodes whose rewards have this many terms."""
    arrays = zeros(
        accounts=((len(ACCOUNT_NAMES), batch), np.int64),
        reward=((batch,), np.float64),
        reward_terms=((terms, batch), np.float64),
        qber_weighted_bits=((batch,), np.float64),
        offered_value_bits=((batch,), np.float64),
        delivered_value_bits=((batch,), np.float64),
        elapsed_s=((batch,), np.float64),
        over=((batch,), np.bool_),
        terminated=((batch,), np.bool_),
    )
    return Results(**arrays)


@inlined
def _report(results, s, p, b):  # type: ignore[no-untyped-def]
    episode = s.episodes[b]
    for i in range(s.accounts.shape[1]):
        results.accounts[i, b] = s.accounts[b, i]
    reward = 0.0
    for i in range(s.reward_terms.shape[1]):
        results.reward_terms[i, b] = s.reward_terms[b, i]
        reward += s.reward_terms[b, i]
    results.reward[b] = reward
    results.qber_weighted_bits[b] = episode.qber_bits
    results.offered_value_bits[b] = episode.offered_value_bits
    results.delivered_value_bits[b] = episode.delivered_value_bits
    results.elapsed_s[b] = episode.interval * p.interval_s
    waiting = p.decides_paths and is_asked(episode)
    results.over[b] = episode.interval >= p.intervals and not waiting
    results.terminated[b] = False


@TypedOnce
@compiled_without_references
def step_range(  # type: ignore[no-untyped-def]
    s, bank, params, observations, results, sums, watches_sites, paths, links, work, first, stop
):
    """Steps, observes and sums up some episodes, one after the other.

    All in one call, while an episode's state is in the processor's nearest cache.

    Args:
        s: State.
        bank: Networks.
        params: From `state.kernel_params`, (1,).
        observations: Written to.
        results: Written to.
        sums: Over the episodes so far, added to.
        watches_sites: Whether these have what every site adds up to.
        paths: Candidate path of every episode's request, (B,); not read where links alone are
            decided.
        links: Link to switch in every episode, (B,); not read where paths alone are decided.
        work: Scratch space.
        first: First episode.
        stop: The one after the last.
    """
    p = params[0]
    for b in range(first, stop):
        fetch_sums(sums, b)
        source, target = -1, -1  # of the request that the step decides
        if p.decides_paths and is_asked(s.episodes[b]):
            request = current_request(s, b)
            source, target = request.first, request.second
        step_one(s, bank, p, b, paths[b], links[b], work)
        observe_one(observations, s, bank, p, b, work)
        _report(results, s, p, b)
        add_step(sums, s, bank, p, b, results, source, target, watches_sites, work)


@compiled
def start_some(  # type: ignore[no-untyped-def]
    episodes, networks, keys, s, bank, params, work, observations, results, sums
):
    """Starts these episodes on these networks, with these keys, and observes them; sums begin
    anew."""
    p = params[0]
    for i in range(len(episodes)):
        b = episodes[i]
        reset_one(s, bank, p, b, networks[i], keys[i], work)
        observe_one(observations, s, bank, p, b, work)
        _report(results, s, p, b)
        begin_sums(sums, s, bank, b, work)
