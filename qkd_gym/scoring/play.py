"""Compiled: scored schedules over whole episodes, without a step of Python."""

from __future__ import annotations

import numpy as np

from qkd_gym.envs.observation import Observation
from qkd_gym.envs.observe import observe_one
from qkd_gym.jit import compiled, inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.step import step_one
from qkd_gym.network.state import State
from qkd_gym.scoring.choice import Scratch, choose
from qkd_gym.scoring.weights import Weights


@inlined
def decide(
    w: Weights,
    s: State,
    o: Observation,
    bank: Bank,
    p: np.record,
    b: int,
    work: Workspace,
    scratch: Scratch,
) -> int:
    """Observes episode ``b`` and makes the schedule's choice; arguments as for `play_on`."""
    observe_one(o, s, bank, p, b, work)
    n_links = bank.networks[s.episodes[b].network].n_links
    return choose(
        w, o.links[b], o.nodes[b], o.link_endpoints[b], n_links,
        o.action_mask[b], o.context[b], o.setting[b], scratch,
    )  # fmt: skip


@compiled
def choose_all(  # type: ignore[no-untyped-def]
    w, links, nodes, ends, link_mask, masks, context, setting, scratch, choices, gains, makes_way
):
    """Writes the next switch in each of B observations, (B,), the gain of switching each link on,
    (B, E), and the link that each site would give up, (B, N)."""
    for b in range(len(choices)):
        n_links = link_mask[b].sum()
        choices[b] = choose(
            w, links[b], nodes[b], ends[b], n_links, masks[b], context[b], setting[b], scratch
        )
        gains[b, :n_links] = scratch.gain[:n_links]
        makes_way[b] = scratch.makes_way


@compiled
def play_on(
    w: Weights,
    s: State,
    o: Observation,
    bank: Bank,
    params: np.ndarray,
    intervals: int,
    work: Workspace,
    scratch: Scratch,
    delivered: np.ndarray,
    offered: np.ndarray,
) -> None:
    """Plays every episode of a state on by a scored schedule.

    Args:
        w: Weights.
        s: State, which is changed.
        o: Buffers for their observations.
        bank: Networks.
        params: From `state.kernel_params`, (1,).
        intervals: How many to play, or fewer if the episode ends before.
        work: Scratch space of the simulator.
        scratch: Scratch space of the scorer.
        delivered: Bits that were delivered are added, (B,).
        offered: Bits that were asked for are added, (B,).
    """
    p = params[0]
    for b in range(len(s.episodes)):
        stop = min(s.episodes[b].interval + intervals, p.intervals)
        while s.episodes[b].interval < stop:
            step_one(s, bank, p, b, 0, decide(w, s, o, bank, p, b, work, scratch), work)
            delivered[b] += s.accounts[b, ACCOUNT.delivered_bits]
            offered[b] += s.accounts[b, ACCOUNT.offered_bits]
