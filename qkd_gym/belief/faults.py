"""Outages and attacks: which last, since when at the earliest, and when they may end.

A fault lasts a known least time and an exponential time more. The ends that the state holds were
drawn at the onset; here they are drawn again from what was seen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief.records import F64, FAULT_ROW
from qkd_gym.jit import inlined
from qkd_gym.network.state import Records

SHORTEST_S = 1e-6  # of a mean duration, by which is divided


@inlined
def lasting_s(gap_s: float, least_s: float, mean_s: float) -> float:
    """Mean number of faults that last, per rate of strikes (1/s), a time after there was none.

    It is the integral of the chance that a fault outlives its age, over ages up to the gap, which
    is infinite where nobody has looked.
    """
    if gap_s <= 0.0:
        return 0.0
    mean_s = max(mean_s, SHORTEST_S)
    return min(gap_s, least_s) + mean_s * -math.expm1(-max(gap_s - least_s, 0.0) / mean_s)


@inlined
def is_on(fault: np.ndarray, e: int) -> bool:
    """Whether a fault of a link was there when the operator last looked."""
    return fault[FAULT_ROW.last_s, e] > fault[FAULT_ROW.clear_s, e]


@inlined
def see_fault(fault: np.ndarray, e: int, now_s: float, fraction: float) -> None:
    """Takes down that a fault is there now."""
    if not is_on(fault, e):
        fault[FAULT_ROW.first_s, e] = now_s
    fault[FAULT_ROW.last_s, e] = now_s
    fault[FAULT_ROW.fraction, e] = fraction


@inlined
def see_none(fault: np.ndarray, e: int, at_s: float) -> None:
    """Takes down that a fault was not there at a time."""
    fault[FAULT_ROW.clear_s, e] = max(fault[FAULT_ROW.clear_s, e], at_s)


@inlined
def forget_faults(faults: np.ndarray, e: int) -> None:
    """Forgets what was seen of the faults of a link: one may have begun at any time."""
    for kind in range(len(faults)):
        faults[kind, FAULT_ROW.clear_s, e] = -math.inf
        faults[kind, FAULT_ROW.last_s, e] = -math.inf


@inlined
def attack_chance(
    fault: np.ndarray, p: np.record, e: int, now_s: float, strikes_per_s: float
) -> float:
    """Chance that an attack lasts, before the link is looked at.

    Args:
        fault: Attacks in `Belief.faults` of the episode, (rows, E).
        p: Parameters.
        e: Link.
        now_s: Time since the start of the episode.
        strikes_per_s: Rate of attacks on the link.
    """
    if is_on(fault, e):
        return math.exp((fault[FAULT_ROW.last_s, e] - now_s) / max(p.attack_mean_s, SHORTEST_S))
    gap_s = now_s - fault[FAULT_ROW.clear_s, e]
    return -math.expm1(-strikes_per_s * lasting_s(gap_s, p.attack_min_s, p.attack_mean_s))


@inlined
def attack_likelihood(error: float, mean: float, sd: float, p: np.record) -> float:
    """Density of the misalignment error that an attacked link shows.

    An attack adds half its fraction of what is left to one half; fractions are uniform.

    Args:
        error: Error that the observation shows.
        mean: What is expected of it without an attack.
        sd: Standard deviation of that.
        p: Parameters.
    """
    most = 0.5 * max(0.5 - mean, 1e-6)
    low, high = mean + p.attack_fraction * most - 3.0 * sd, mean + most + 3.0 * sd
    return 1.0 / (most * (1.0 - p.attack_fraction) + 2.0 * sd) if low <= error <= high else 0.0


class FaultLaw(NamedTuple):
    """How faults of one kind come and last."""

    strikes_per_s: F64  # (E,)
    least_s: float
    mean_s: float


def fault_laws(p: Records, attack_cumulative: F64) -> tuple[FaultLaw, FaultLaw]:
    """Laws of outages and attacks.

    Args:
        p: Record of `qkd_gym.network.state.kernel_params`.
        attack_cumulative: Cumulative chances that an attack strikes a link, (E,).
    """
    n, interval_s = len(attack_cumulative), float(p["interval_s"])
    outages = np.full(n, float(p["outages_per_link"]) / interval_s)
    shares = np.diff(attack_cumulative, prepend=0.0)
    attacks = float(p["attacks_per_link"]) / interval_s * n * shares
    return (
        FaultLaw(outages, float(p["outage_min_s"]), max(float(p["outage_mean_s"]), SHORTEST_S)),
        FaultLaw(attacks, float(p["attack_min_s"]), max(float(p["attack_mean_s"]), SHORTEST_S)),
    )


def _lasting_parts(gap_s: F64, law: FaultLaw) -> tuple[F64, F64]:
    """What `lasting_s` sums up: ages below the least, and the share of the mean beyond it."""
    beyond = -np.expm1(-np.maximum(gap_s - law.least_s, 0.0) / law.mean_s)
    return np.minimum(gap_s, law.least_s), beyond


def _draw_age(gap_s: F64, law: FaultLaw, count: int, rng: np.random.Generator) -> F64:
    """Ages of lasting faults that struck within a gap, (m, E): density falls as few outlive it."""
    young, beyond = _lasting_parts(gap_s, law)
    place = rng.random((count, len(gap_s))) * (young + law.mean_s * beyond)
    share = np.clip((place - young) / law.mean_s, 0.0, beyond)
    older = law.least_s - law.mean_s * np.log1p(-np.minimum(share, 1.0 - 1e-12))
    return np.where(place < young, place, np.minimum(older, gap_s))


def draw_ends(
    fault: F64, law: FaultLaw, now_s: float, interval_s: float, count: int, rng: np.random.Generator
) -> tuple[F64, NDArray[np.bool_]]:
    """Draws when the faults of one kind end.

    Args:
        fault: Rows `FAULT_ROW` of what is known, (rows, E).
        law: How these faults come and last.
        now_s: Time since the start of the episode.
        interval_s: Length of an interval.
        count: How many draws, m.
        rng: Source of randomness.

    Returns:
        End of the fault of each link, zero without one, and whether it is the one that was seen,
        both (m, E).
    """
    clear_s, first_s, last_s, _ = fault
    was_on = last_s > clear_s
    # The one that was seen struck between when the link was last seen without it and then.
    gap_s = np.where(was_on, np.maximum(first_s - clear_s, interval_s), 0.0)
    age_s = _draw_age(gap_s, law, count, rng) + np.where(was_on, last_s - first_s, 0.0)
    left_s = np.maximum(law.least_s - age_s, 0.0) + rng.exponential(law.mean_s, age_s.shape)
    seen_until = np.where(was_on, last_s + left_s, 0.0)
    # One that struck since the operator last looked, and lasts.
    gap_s = np.maximum(now_s - np.where(was_on, last_s, clear_s), 0.0)
    young, beyond = _lasting_parts(gap_s, law)
    mean = law.strikes_per_s * (young + law.mean_s * beyond)
    struck = rng.random(age_s.shape) < -np.expm1(-mean)
    age_s = _draw_age(gap_s, law, count, rng)
    left_s = np.maximum(law.least_s - age_s, 0.0) + rng.exponential(law.mean_s, age_s.shape)
    new_until = np.where(struck, now_s + left_s, 0.0)
    return np.maximum(seen_until, new_until), seen_until >= new_until
