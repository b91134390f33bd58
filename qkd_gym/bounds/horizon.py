"""Receding-horizon planning of one episode in knowledge of its future."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qkd_gym.bounds.trace import EpisodeTrace
from qkd_gym.planning.schedule import Plan, Program, optimise

F64 = NDArray[np.float64]


def slot_intervals(calibration_s: float, interval_s: float, longest_s: float = 90.0) -> int:
    """Intervals per slot: as many as fit into ``longest_s`` and divide the calibration time."""
    calibration = max(1, math.ceil(calibration_s / interval_s - 1e-9))
    fits = max(1, int(longest_s / interval_s + 1e-9))
    return next(count for count in range(min(fits, calibration), 0, -1) if calibration % count == 0)


def plan_ahead(
    trace: EpisodeTrace,
    start: int,
    links: NDArray[np.void],
    slots: int,
    whole_slots: int,
    stock_value: float,
    relative_gap: float,
) -> Plan:
    """The best plan from interval ``start`` on, from the simulator's link records there."""
    capacity = float(trace.config.pool_capacity_bits)
    steps = slot_intervals(trace.config.calibration_s, trace.interval_s)
    slots = min(slots, -(-(trace.intervals - start) // steps))
    window = trace.made_bits[start : start + slots * steps] / capacity
    window = np.pad(window, ((0, slots * steps - len(window)), (0, 0)))
    made = window.reshape(slots, steps, -1).sum(axis=1)
    first, last = np.searchsorted(trace.request_interval, [start, start + slots * steps])
    asked = slice(first, last)
    slot_s = steps * trace.interval_s
    over = start + slots * steps >= trace.intervals
    program = Program(
        link_endpoints=trace.link_endpoints,
        modules=trace.config.modules_per_site,
        n_sites=trace.n_sites,
        made=made,
        making_share=np.ones_like(made),
        capacity=1.0,
        pool=links["pool"] / capacity,
        active=links["active"] > 0,
        calibrating=np.ceil(links["calibration_left_s"] / slot_s - 1e-9).astype(np.int64),
        calibration=math.ceil(trace.config.calibration_s / slot_s - 1e-9),
        starts_per_slot=steps,
        request_slot=(trace.request_interval[asked] - start) // steps,
        request_size=trace.request_bits[asked] / capacity,
        request_paths=trace.request_paths[asked],
        request_last=np.ones(last - first, bool),
        stock_value=np.full(made.shape[1], 0.0 if over else stock_value),
    )
    plan = optimise(program, whole_slots=whole_slots, relative_gap=relative_gap)
    assert plan is not None
    return plan
