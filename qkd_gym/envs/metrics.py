"""What episodes are measured by, from what they add up to."""

from __future__ import annotations

import numpy as np

from qkd_gym.envs.totals import Totals
from qkd_gym.features import HOUR_S
from qkd_gym.network.accounts import OF_FAULTS

# Name -> what it is. Shares are of the offered key unless they say otherwise.
METRICS: dict[str, str] = {
    "delivered_share": "delivered / offered key",
    "value_share": "the same, a bit counting as much as its service class is worth",
    "blocked_share": "blocked / offered key",
    "mean_qber": "mean QBER of the links that delivered key used, weighted by key",
    "key_rate_bps": "delivered key per second",
    "overflow_share": "key lost to full pools / generated key",
    "expired_share": "key destroyed by age / generated key",
    "switches_per_hour": "links switched per hour",
    "fairness": "Jain's index of the sites' served shares, 1 if all are equal",
    "recovery_s": "mean time from a site's loss of a yielding link until as many yield again",
    "lost_per_fault_bits": "mean key lost to a fault, at the rate that its site had just before",
    "exposed_share": "delivered key that compromised relays learnt / delivered key",
    "attack_radius": "requests that one relay would have learnt, the one of most / all requests",
    "illegal_actions": "illegal actions",
    "reward": "sum of the rewards",
}
# Metrics that are one total divided by another; the rest are totals themselves.
RATIOS = {
    "delivered_share": ("delivered_bits", "offered_bits"),
    "value_share": ("delivered_value_bits", "offered_value_bits"),
    "blocked_share": ("blocked_bits", "offered_bits"),
    "mean_qber": ("qber_weighted_bits", "delivered_bits"),
    "key_rate_bps": ("delivered_bits", "elapsed_s"),
    "overflow_share": ("overflow_bits", "generated_bits"),
    "expired_share": ("expired_bits", "generated_bits"),
    "switches_per_hour": ("switches", "elapsed_s"),
    "recovery_s": ("fault_s", "faults"),
    "lost_per_fault_bits": ("fault_lost_bits", "faults"),
    "exposed_share": ("compromised_bits", "delivered_bits"),
    "attack_radius": ("widest_relay_requests", "requests"),
}


def metrics_of(totals: Totals) -> Totals:
    """The metrics in `METRICS` of each episode; NaN where there is nothing to divide by."""
    if "offered_value_bits" not in totals:
        # Without service classes a bit is worth one.
        values = {f"{name}_value_bits": totals[f"{name}_bits"] for name in ("offered", "delivered")}
        totals = totals | values
    unknown = np.full_like(totals["offered_bits"], np.nan)
    totals = dict.fromkeys((*OF_FAULTS, "requests"), unknown) | totals
    above, below = (np.array([totals[pair[side]] for pair in RATIOS.values()]) for side in range(2))
    ratios = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
    found = totals | dict(zip(RATIOS, ratios, strict=True))
    found["switches_per_hour"] = HOUR_S * found["switches_per_hour"]
    return {name: found[name] for name in METRICS}
