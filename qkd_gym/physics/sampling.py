"""Counts of a time interval with their exact statistics, at a cost independent of its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from qkd_gym.errors import InvalidInput, require_between, require_instance, shown
from qkd_gym.physics.numerics import checked, require_broadcast

I64 = NDArray[np.int64]
MAX_PULSES = 2**53  # the last integer up to which floats count without gaps


@dataclass(frozen=True)
class Counts:
    """What the two stations counted in an interval, int64 arrays of one shape.

    Attributes:
        sent: Emitted pulses.
        detected: Pulses that clicked.
        sifted: Detected pulses that survive sifting.
        errors: Sifted bits that differ between the stations.
    """

    sent: I64
    detected: I64
    sifted: I64
    errors: I64


def as_pulses(pulses: ArrayLike) -> I64:
    """Numbers of pulses as an int64 array of the same shape.

    Raises:
        InvalidInput: If a number is negative, above 2^53 or not whole.
    """
    require_between("pulses", pulses, 0, MAX_PULSES)
    array = np.asarray(pulses)
    whole = array.astype(np.int64)
    if (whole != array).any():
        raise InvalidInput(f"pulses is {shown(pulses)}, but must be whole numbers.")
    return whole


def sample_counts(
    pulses: ArrayLike,
    click_probability: ArrayLike,
    sifting: ArrayLike,
    qber: ArrayLike,
    rng: np.random.Generator,
    dead_gates: ArrayLike = 0.0,
) -> Counts:
    """Draws the counts of an interval.

    Pulses are independent, so the outcome of an interval is multinomial over (no click, discarded,
    correct, wrong); the chain of binomials below is that multinomial. A dead time leaves the bits
    of the registered clicks independent and changes only their number.

    Args:
        pulses: Emitted pulses, whole numbers up to 2^53, any shape.
        click_probability: Probability that a pulse clicks, before dead time; broadcasts.
        sifting: Share of the clicks that survive sifting; broadcasts.
        qber: Error rate of the sifted bits; broadcasts.
        rng: Source of randomness.
        dead_gates: Gates for which the receiver is blind after a click; broadcasts.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.
    """
    require_instance("rng", rng, np.random.Generator)
    arguments = {
        "pulses": as_pulses(pulses),
        "click_probability": checked("click_probability", click_probability, 0.0, 1.0),
        "sifting": checked("sifting", sifting, 0.0, 1.0),
        "qber": checked("qber", qber, 0.0, 1.0),
        "dead_gates": np.rint(checked("dead_gates", dead_gates)),
    }
    require_broadcast(arguments)
    sent, p, q, e, dead = np.broadcast_arrays(*arguments.values())
    blind = np.any(dead)
    detected = sample_dead_time(sent, p, dead, rng) if blind else rng.binomial(sent, p)
    sifted = rng.binomial(detected, q)
    errors = rng.binomial(sifted, e)
    return Counts(*(np.array(x, dtype=np.int64) for x in (sent, detected, sifted, errors)))


def sample_dead_time(
    gates: ArrayLike, click_probability: ArrayLike, dead_gates: ArrayLike, rng: np.random.Generator
) -> I64:
    """Number of registered clicks of a detector that is blind for a while after each, exactly.

    The k-th registered click falls within n gates exactly when n - (k-1) D live gates hold at least
    k clicks, so P(count >= k) = P(Binomial(n - (k-1) D, p) >= k) = I_p(k, n - (k-1) D - k + 1),
    which is inverted by bisection at one uniform draw per element.

    Args:
        gates: Length of the interval in gates, any shape.
        click_probability: Click probability of a live gate; broadcasts.
        dead_gates: Number of gates for which the detector is blind after a click; broadcasts.
        rng: Source of randomness.

    Returns:
        Counts of mean n p / (1 + p D) and variance n p (1 - p) / (1 + p D)^3 for long intervals.
    """
    columns = np.broadcast_arrays(gates, click_probability, dead_gates)
    n, p, dead = (np.asarray(column, dtype=np.float64) for column in columns)
    draw = rng.random(n.shape)
    low = np.zeros(n.shape)  # count >= low always holds
    high = np.floor((n + dead) / (1.0 + dead)) + 1.0  # and never count >= high
    while (high - low > 1.0).any():
        k = np.floor((low + high) / 2.0)
        live = n - (k - 1.0) * dead
        reached = draw < betainc(np.maximum(k, 1.0), np.maximum(live - k + 1.0, 1.0), p)
        reached |= k <= 0.0
        low, high = np.where(reached, k, low), np.where(reached, high, k)
    return np.asarray(low, dtype=np.int64)
