"""The arrays of a batch of episodes. The leading axis B is always the environment.

Links, sites and episodes are structured arrays: ``state.links[b, e].drift`` in compiled code,
``state.links["drift"]``, shape (B, E), outside. One array of records compiles many times faster
than one array per field, and a link's fields share a cache line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.config import NetworkConfig, interval_s

I64 = NDArray[np.int64]
Records = NDArray[np.void]

# Columns of `State.bits`: bits of one step, then three counts of it.
BIT_NAMES = (
    "offered_bits",
    "delivered_bits",
    "blocked_bits",
    "generated_bits",
    "consumed_bits",
    "overflow_bits",
    "expired_bits",
    "stored_bits",
    "switches",
    "illegal_actions",
    "requests",
)
OFFERED, DELIVERED, BLOCKED, GENERATED, CONSUMED, OVERFLOW, EXPIRED, STORED = range(8)
SWITCHES, ILLEGAL, REQUESTS = 8, 9, 10


# Scalars of the configuration that the kernel reads; units as in `NetworkConfig`.
PARAMS = np.dtype(
    [
        ("modules", "i8"),
        ("capacity", "i8"),
        ("lifetime", "i8"),  # intervals, 0 = for ever
        ("intervals", "i8"),  # in an episode
    ]
    + [
        (name, "f8")
        for name in (
            "interval_s",
            "calibration_s",
            "dwell_s",
            "initial_fill",
            "misalignment",
            "drift_std",
            "drift_decay",  # per interval, as are the next probabilities
            "drift_memory_s",
            "site_misalignment",
            "link_excess_loss_db",
            "measured_share",
            "measured_age_s",
            "to_fog",
            "to_clear",
            "fog_share",
            "fog_loss_db",
            "outages_per_link",
            "outage_min_s",
            "outage_mean_s",
            "attacks_per_link",
            "attack_min_s",
            "attack_mean_s",
            "attack_fraction",
            "request_size_sigma",
            "diurnal_amplitude",
            "diurnal_period_s",
            "hot_spot_share",
            "hot_spot_change",
            "burst_share",
            "burst_start",
            "burst_stop",
            "burst_on_share",
            "requests_per_site_s",
            "demand_decay",
            "qber_weight",
        )
    ]
)


def kernel_params(config: NetworkConfig, n_sites: int) -> Records:
    """The configuration as one PARAMS record, in an array of shape (1,), which is what numba's
    parallel functions accept."""
    dt = interval_s(n_sites)

    def within(mean_s: float) -> float:
        return float(-np.expm1(-dt / mean_s))

    derived = {
        "interval_s": dt,
        "modules": config.modules_per_site,
        "capacity": config.pool_capacity_bits,
        "lifetime": int(np.ceil(config.key_lifetime_s / dt)),
        "intervals": int(np.ceil(config.episode_s / dt - 1e-9)),
        "drift_decay": float(np.exp(-dt / config.drift_memory_s)),
        "to_fog": within(config.clear_s),
        "to_clear": within(config.fog_s),
        "fog_share": config.fog_s / (config.clear_s + config.fog_s),
        "outages_per_link": config.outages_per_link_minute * dt / 60.0,
        "attacks_per_link": config.attacks_per_link_minute * dt / 60.0,
        "hot_spot_change": within(config.hot_spot_s),
        "burst_start": within(config.burst_off_s),
        "burst_stop": within(config.burst_on_s),
        "burst_on_share": _burst_on_share(config),
        "requests_per_site_s": config.requests_per_site_hour / 3600.0,
        "demand_decay": float(np.exp(-dt / config.demand_memory_s)),
    }
    record = np.zeros(1, PARAMS)
    for name in PARAMS.names or ():
        record[name] = derived.get(name, getattr(config, name, None))
    return record


def _burst_on_share(config: NetworkConfig) -> float:
    return config.burst_on_s / (config.burst_on_s + config.burst_off_s)


def request_capacity(config: NetworkConfig, n_sites: int) -> int:
    """Requests of one interval that are kept: ten standard deviations above the busiest mean."""
    mean = config.requests_per_site_hour / 3600.0 * n_sites * interval_s(n_sites)
    burst = 1.0 + config.burst_share / _burst_on_share(config)
    busiest = mean * (1.0 + config.diurnal_amplitude) * burst
    return int(np.ceil(busiest + 10.0 * np.sqrt(busiest) + 10.0))


EPISODE = np.dtype(
    [
        ("key", "u8"),  # of all random streams
        ("network", "i8"),  # index into the bank
        ("interval", "i8"),  # intervals that have passed
        ("phase_s", "f8"),  # time of day at the start
        ("hot_spot", "i8"),  # site
        ("n_requests", "i8"),  # of this interval
        ("cursor", "i8"),  # next of them
        ("qber_bits", "f8"),  # delivered bits times mean QBER of their paths, this step
        ("strained_bits", "f8"),  # the same with QBERs in units of their protocols' thresholds
        ("key_term", "f8"),  # reward terms of this step
        ("qber_term", "f8"),
    ]
)

SITE = np.dtype(
    [
        ("misalignment", "f8"),  # hidden
        ("fog", "i8"),  # weather of the district with this index
        ("modules_used", "i8"),
        ("demand", "f8"),  # recent demand and blocked demand, bit/s
        ("blocked", "f8"),
    ]
)

LINK = np.dtype(
    [
        # Hidden quality and disturbances.
        ("excess_loss_db", "f8"),
        ("drift", "f8"),
        ("outage_left_s", "f8"),
        ("attack_left_s", "f8"),
        ("attack_fraction", "f8"),
        # Control.
        ("active", "i8"),
        ("calibration_left_s", "f8"),
        ("running_s", "f8"),  # time since activation
        # Key, in bits.
        ("pool", "i8"),
        ("pool_qber", "f8"),  # mean QBER of the stored key
        ("stored_ever", "i8"),  # has entered the pool
        ("left_ever", "i8"),  # has left it
        # What the operator has seen.
        ("seen", "i8"),
        ("seen_rate_bps", "f8"),
        ("seen_qber", "f8"),
        ("seen_age_s", "f8"),
        ("demand_now", "f8"),  # bits in this interval
        ("blocked_now", "f8"),
        ("demand_average", "f8"),  # bit/s
        ("blocked_average", "f8"),
    ]
)

BURST = np.dtype([("on", "i8"), ("first", "i8"), ("second", "i8")])
REQUEST = np.dtype([("first", "i8"), ("second", "i8"), ("bits", "i8")])  # first < second


class State(NamedTuple):
    """Everything that changes during an episode."""

    episodes: Records  # (B,) EPISODE
    sites: Records  # (B, N) SITE
    links: Records  # (B, E) LINK
    bursts: Records  # (B, S) BURST
    requests: Records  # (B, R) REQUEST
    stored_history: I64  # (B, E, lifetime + 1) `stored_ever` at past intervals
    bits: I64  # (B, len(BIT_NAMES)) accounts of the last step


def allocate(config: NetworkConfig, batch: int, n_sites: int, max_links: int) -> State:
    """Zeroed state for ``batch`` episodes."""
    lifetime = int(kernel_params(config, n_sites)["lifetime"][0])
    return State(
        episodes=np.zeros(batch, EPISODE),
        sites=np.zeros((batch, n_sites), SITE),
        links=np.zeros((batch, max_links), LINK),
        bursts=np.zeros((batch, config.burst_sources), BURST),
        requests=np.zeros((batch, request_capacity(config, n_sites)), REQUEST),
        stored_history=np.zeros((batch, max_links, lifetime + 1 if lifetime else 0), np.int64),
        bits=np.zeros((batch, len(BIT_NAMES)), np.int64),
    )
