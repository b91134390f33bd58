"""Upper bounds of what any policy can deliver, and the exact optimum of small episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_gym.bounds.trace import EpisodeTrace
from qkd_gym.errors import InvalidInput, require_integer
from qkd_gym.planning.schedule import Program, optimise, relaxed_bound

_CELLS = 5000


@dataclass(frozen=True)
class ClairvoyantBound:
    """An upper bound for every policy on one episode.

    Attributes:
        delivered_bits: No policy delivers more.
        delivered_share: The same over the offered key; NaN if nothing is offered.
    """

    delivered_bits: float
    delivered_share: float


def episode_program(
    trace: EpisodeTrace, switches_per_interval: float = 1.0, steps: int = 1
) -> Program:
    """The program of a whole episode in units of the pool capacity.

    Args:
        trace: The episode.
        switches_per_interval: Links that can be switched per interval.
        steps: Intervals per slot; with more than one the program is a relaxation.

    Raises:
        InvalidInput: If requests have service classes, of whose worth and patience the program
            knows nothing.
    """
    if trace.config.service_classes:
        raise InvalidInput(
            "service_classes has classes, but must have none for the bounds of tasks that decide "
            "links; see routing_bound for those of paths alone."
        )
    capacity = float(trace.config.pool_capacity_bits)
    n_links = len(trace.link_endpoints)
    slots = -(-trace.intervals // steps)
    padded = np.zeros((slots * steps, n_links))
    padded[: trace.intervals] = trace.made_bits / capacity
    made = padded.reshape(slots, steps, n_links)
    # A link that is on for a part of a slot picks the intervals in which it makes the most.
    most = made.max(axis=1) * steps
    share = np.divide(made.sum(axis=1), most, out=np.ones_like(most), where=most > 0.0)
    # Key of an interval that is partly calibration counts whole; shot noise included, a part of
    # an interval never makes more than the whole.
    calibration = int(trace.config.calibration_s / trace.interval_s + 1e-9)
    return Program(
        link_endpoints=trace.link_endpoints,
        modules=trace.config.modules_per_site,
        n_sites=trace.n_sites,
        made=most,
        making_share=share,
        pool=trace.pool_at_start_bits / capacity,
        active=trace.active_at_start,
        calibration=calibration // steps,
        starts_per_slot=steps * switches_per_interval,
        request_slot=trace.request_interval // steps,
        request_size=trace.request_bits / capacity,
        request_paths=trace.request_paths,
        request_last=trace.request_interval % steps == steps - 1,
        steps_per_slot=steps,
    )


def clairvoyant_bound(
    trace: EpisodeTrace,
    *,
    switches_per_interval: float = 1.0,
    intervals_per_slot: int | None = None,
) -> ClairvoyantBound:
    """The time-expanded linear program: links may run in part, requests be served in part.

    It knows the future. Start-ups cost their calibration time, but in proportion to the share of
    a link that is started, which makes the bound optimistic where calibration is long.

    Args:
        trace: The episode.
        switches_per_interval: Links that can be switched per decision interval; 1 as in
            `LinkActivation-v0`. `Network-v0` can switch at every request: pass ``np.inf``.
        intervals_per_slot: Intervals that the program takes together, which loosens the bound and
            saves time; by default as few as keep it at some thousand slots of a link.
    """
    if intervals_per_slot is None:
        cells = trace.intervals * len(trace.link_endpoints)
        intervals_per_slot = -(-cells // _CELLS)
    require_integer("intervals_per_slot", intervals_per_slot, 1)
    program = episode_program(trace, switches_per_interval, intervals_per_slot)
    return _bound(trace, relaxed_bound(program))


def exact_optimum(trace: EpisodeTrace, *, time_limit_s: float = np.inf) -> ClairvoyantBound:
    """The same program with whole links and whole requests: the best an all-knowing policy can do.

    It may choose freely what to release and which candidate path a request takes, so it bounds
    every policy, as the linear program does, but more tightly. For small episodes only: about ten
    links and sixty intervals.

    Args:
        trace: The episode.
        time_limit_s: The solver's bound at this time is returned, which is still valid.

    Raises:
        RuntimeError: If no solution was found in time.
    """
    plan = optimise(
        episode_program(trace),
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
