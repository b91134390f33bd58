"""What a configuration comes to in compiled code: its parameters, and how many requests to keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.features import FRESHNESS_SCALE_S, HOUR_S
from qkd_gym.network.config import NetworkConfig, interval_s, intervals_in
from qkd_gym.network.requests import busiest_interval

Records = NDArray[np.void]


def kernel_params(
    config: NetworkConfig,
    n_sites: int,
    *,
    decides_links: bool = True,
    decides_paths: bool = False,
    decides_releases: bool = False,
) -> Records:
    """What the kernel reads of a configuration.

    Args:
        config: The configuration.
        n_sites: Number of sites, which sets the length of an interval.
        decides_links: Whether a step may switch a link.
        decides_paths: Whether a step is one request, whose path it chooses.
        decides_releases: Whether links may be switched one after the other before time passes.

    Returns:
        One record in an array of shape (1,), since numba passes no single record. Fields with the
        name of a field of `NetworkConfig` have its meaning and unit.
    """
    dt = interval_s(n_sites)

    def within(mean_s: float) -> float:
        return float(-np.expm1(-dt / mean_s))

    lifetime = int(np.ceil(config.key_lifetime_s / dt))
    intervals = intervals_in(config.episode_s, n_sites)
    drift_decay = float(np.exp(-dt / config.drift_memory_s))
    angle = 2.0 * np.pi * dt / config.diurnal_period_s
    integers: dict[str, float] = {
        "modules": config.modules_per_site,
        "capacity": config.pool_capacity_bits,
        # Intervals, 0 for ever, as no key can be older than the episode.
        "lifetime": lifetime if lifetime < intervals else 0,
        "intervals": intervals,  # in an episode
        "decides_links": decides_links,
        "decides_paths": decides_paths,
        "decides_releases": decides_releases,
        "switches_per_interval": config.switches_per_interval,
        "loses_blocks": config.partial_blocks == "lost",
        "watches_relays": any(fault.effect == "compromise" for fault in config.faults),
    }
    numbers: dict[str, float] = {name: getattr(config, name) for name in _READ_AS_THEY_ARE} | {
        "interval_s": dt,
        "drift_decay": drift_decay,  # per interval
        "drift_spread": config.drift_std * float(np.sqrt(1.0 - drift_decay**2)),
        "freshness_decay": float(np.exp(-dt / FRESHNESS_SCALE_S)),  # per interval
        "demand_decay": float(np.exp(-dt / config.demand_memory_s)),  # per interval
        "interval_cos": np.cos(angle),  # of the angle by which the time of day turns
        "interval_sin": np.sin(angle),
        # Chances and mean numbers per interval.
        "to_fog": within(config.clear_s),
        "to_clear": within(config.fog_s),
        "outages_per_link": config.outages_per_link_minute * dt / 60.0,
        "attacks_per_link": config.attacks_per_link_minute * dt / 60.0,
        "hot_spot_change": within(config.hot_spot_s),
        "burst_start": within(config.burst_off_s),
        "burst_stop": within(config.burst_on_s),
        # Shares of the time.
        "fog_share": config.fog_s / (config.clear_s + config.fog_s),
        "burst_on_share": _burst_on_share(config),
        "requests_per_site_s": config.requests_per_site_hour / HOUR_S,
    }
    # A link is released last while it has run for less; compared with single-precision times.
    singles: dict[str, float] = {"protection_s": config.calibration_s + config.dwell_s}
    kinds = {"i8": integers, "f8": numbers, "f4": singles}
    record = np.zeros(1, [(name, kind) for kind, part in kinds.items() for name in part])
    for kind, part in kinds.items():
        for name, value in part.items():
            # Twelve digits: the last bits of exponentials are not the same on every processor.
            record[name] = value if kind == "i8" else float(f"{value:.12g}")
    return record


_MOST_REQUESTS = 100_000
MOST_WAITING = 64
"""Requests that may wait in an episode; one more is blocked at once."""

_READ_AS_THEY_ARE = (
    "calibration_s", "initial_fill", "misalignment", "drift_std", "drift_memory_s",
    "site_misalignment", "link_excess_loss_db", "measured_share", "measured_age_s", "fog_loss_db",
    "outage_min_s", "outage_mean_s", "attack_min_s", "attack_mean_s", "attack_fraction",
    "request_size_sigma", "diurnal_amplitude", "hot_spot_share", "burst_share", "key_weight",
    "qber_weight",
)  # fmt: skip


def _burst_on_share(config: NetworkConfig) -> float:
    return config.burst_on_s / (config.burst_on_s + config.burst_off_s)


def request_capacity(config: NetworkConfig, n_sites: int) -> int:
    """Requests of one interval that are kept: ten standard deviations above the busiest mean, and
    all recorded ones.

    Raises:
        InvalidInput: If they are too many, which rare and short bursts with a large share of the
            demand bring about.
    """
    mean = config.requests_per_site_hour / HOUR_S * n_sites * interval_s(n_sites)
    burst = 1.0 + config.burst_share / _burst_on_share(config)
    busiest = mean * (1.0 + config.diurnal_amplitude) * burst
    kept = int(np.ceil(busiest + 10.0 * np.sqrt(busiest) + 10.0))
    if kept > _MOST_REQUESTS:
        raise InvalidInput(
            f"burst_off_s is {config.burst_off_s:g}, but must be smaller beside burst_on_s "
            f"{config.burst_on_s:g} and burst_share {config.burst_share:g}: bursts would ask for "
            f"{kept:.3g} keys in one interval, for which {_MOST_REQUESTS} are allowed."
        )
    return max(kept, busiest_interval(config, n_sites))


def waiting_capacity(config: NetworkConfig, n_sites: int) -> int:
    """Requests that may wait at the same time; where no class may, there is no room for any."""
    may_wait = any(each.patience_s >= interval_s(n_sites) for each in config.service_classes)
    return MOST_WAITING if may_wait else 0
