"""Compiled: scored paths for many requests, and over whole episodes without a step of Python."""

from __future__ import annotations

import numpy as np

from qkd_gym.envs.observation import Observation
from qkd_gym.envs.totals import Sums
from qkd_gym.envs.transition import Results, step_range
from qkd_gym.jit import compiled
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.relay import is_asked
from qkd_gym.network.state import State
from qkd_gym.scoring.paths.choice import Scratch, choose
from qkd_gym.scoring.paths.weights import PathWeights

# What environments step by is compiled once, and called from here.
_step_range = step_range.function


@compiled
def choose_all(
    w: PathWeights,
    o: Observation,
    scratch: Scratch,
    first: int,
    choices: np.ndarray,
) -> None:
    """Chooses for the requests of some observations, the number of paths to refuse one.

    Args:
        w: Weights.
        o: Observations.
        scratch: Scratch space.
        first: The first of them.
        choices: Written to, as many as observations are looked at.
    """
    for i in range(len(choices)):
        b = first + i
        choices[i] = choose(
            w, o.links[b], o.nodes[b], o.link_endpoints[b], o.link_mask[b].sum(),
            o.action_mask[b], o.context[b], o.setting[b], o.request[b], o.request_endpoints[b],
            o.paths[b], o.path_links[b], scratch,
        )  # fmt: skip


@compiled
def play_on(
    w: PathWeights,
    s: State,
    o: Observation,
    results: Results,
    sums: Sums,
    bank: Bank,
    params: np.ndarray,
    work: Workspace,
    scratch: Scratch,
    paths: np.ndarray,
    delivered: np.ndarray,
    offered: np.ndarray,
) -> None:
    """Plays every episode of a state to its end by scored paths.

    Args:
        w: Weights.
        s: State, which is changed.
        o: What is observed of it, likewise.
        results: Written to.
        sums: Over the episodes, likewise.
        bank: Networks.
        params: From `state.kernel_params`, (1,).
        work: Scratch space of the simulator.
        scratch: Scratch space of the scorer.
        paths: Scratch space, (B,).
        delivered: Worth of the bits that were delivered is added, (B,).
        offered: Worth of the bits that were asked for is added, (B,).
    """
    for b in range(len(s.episodes)):
        while is_asked(s.episodes[b]):
            choose_all(w, o, scratch, b, paths[b : b + 1])
            # No link is decided: what it is told for them is not read.
            _step_range(
                s, bank, params, o, results, sums, False, paths, paths, work, b, b + 1
            )  # fmt: skip
            delivered[b] += results.delivered_value_bits[b]
            offered[b] += results.offered_value_bits[b]
