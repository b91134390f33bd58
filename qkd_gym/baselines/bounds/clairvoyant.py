"""Upper bounds of what any policy can deliver in an episode, and the exact optimum of small ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_gym.baselines.bounds.program import Program, solve
from qkd_gym.baselines.bounds.trace import EpisodeTrace


@dataclass(frozen=True)
class ClairvoyantBound:
    """An upper bound for every policy on one episode.

    Attributes:
        delivered_bits: No policy delivers more.
        delivered_share: The same over the offered key; NaN if nothing is offered.
    """

    delivered_bits: float
    delivered_share: float


def episode_program(trace: EpisodeTrace, switches_per_interval: float = 1.0) -> Program:
    """The program of a whole episode, one slot per interval, in units of the pool capacity."""
    capacity = float(trace.config.pool_capacity_bits)
    # Key of an interval that is partly calibration counts whole; shot noise included, a part of
    # an interval never makes more than the whole.
    calibration = int(trace.config.calibration_s / trace.interval_s + 1e-9)
    n_links = len(trace.link_endpoints)
    return Program(
        link_endpoints=trace.link_endpoints,
        modules=trace.config.modules_per_site,
        n_sites=trace.n_sites,
        made=trace.made_bits / capacity,
        capacity=1.0,
        pool=trace.pool_at_start_bits / capacity,
        active=trace.active_at_start,
        calibrating=np.zeros(n_links, np.int64),
        calibration=calibration,
        starts_per_slot=switches_per_interval,
        request_slot=trace.request_interval,
        request_size=trace.request_bits / capacity,
        request_paths=trace.request_paths,
        stock_value=np.zeros(n_links),
    )


def clairvoyant_bound(
    trace: EpisodeTrace, *, switches_per_interval: float = 1.0
) -> ClairvoyantBound:
    """The time-expanded linear program: links may run in part, requests be served in part.

    It knows the future. Start-ups cost their calibration time, but in proportion to the share of
    a link that is started, which makes the bound optimistic where calibration is long.

    Args:
        trace: The episode.
        switches_per_interval: Links that can be switched per decision interval; 1 as in
            `LinkActivation-v0`. `Network-v0` can switch at every request: pass ``np.inf``.
    """
    plan = solve(episode_program(trace, switches_per_interval))
    assert plan is not None
    return _bound(trace, plan.value)


def exact_optimum(trace: EpisodeTrace, *, time_limit_s: float | None = None) -> ClairvoyantBound:
    """The same program with whole links and whole requests: the best an all-knowing policy can do.

    It may choose freely what to release and which candidate path a request takes, so it bounds
    every policy, as the linear program does, but more tightly. For small episodes only: about ten
    links and sixty intervals.

    Args:
        trace: The episode.
        time_limit_s: If given, the solver's bound at this time is returned, which is still valid.

    Raises:
        RuntimeError: If no solution was found in time.
    """
    plan = solve(
        episode_program(trace),
        whole_links=True,
        whole_requests=True,
        time_limit_s=time_limit_s,
        relative_gap=1e-6,
    )
    if plan is None:
        raise RuntimeError("The exact program found no solution in time.")
    return _bound(trace, plan.bound)


def _bound(trace: EpisodeTrace, in_pools: float) -> ClairvoyantBound:
    bits = in_pools * trace.config.pool_capacity_bits
    offered = trace.offered_bits
    return ClairvoyantBound(bits, bits / offered if offered else float("nan"))
