"""All parameters of a simulated network, with their units and allowed ranges."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qkd_gym.errors import (
    InvalidInput,
    require_between,
    require_choice,
    require_integer,
    require_known_keys,
)
from qkd_gym.physics import preset

SPLITS = ("train", "validation", "test")
ATTACK_TARGETS = ("uniform", "central")


def _number(
    default: float, low: float, high: float = math.inf, *, low_open: bool = False, unit: str = ""
) -> Any:
    bounds = {"low": low, "high": high, "low_open": low_open, "unit": unit}
    return dataclasses.field(default=default, metadata={"number": bounds})


def _integer(default: int, low: int, high: float = math.inf) -> Any:
    return dataclasses.field(default=default, metadata={"integer": (low, high)})


def _choice(default: str, choices: tuple[str, ...]) -> Any:
    return dataclasses.field(default=default, metadata={"choice": choices})


@dataclass(frozen=True)
class NetworkConfig:
    """What an episode is made of. Defaults are the `metro` scenario.

    Attributes:
        topology: ``"clustered"`` or ``"source-study"`` (generated), a catalogue name, or the path
            of a topology file.
        n_sites: Number of sites of generated networks.
        bank_size: Number of generated networks that episodes draw from.
        bank_seed: Seed of the bank; every (seed, split, index) is another network.
        split: Which of the disjoint banks to draw from.
        network_index: Fixes every episode to this network of the bank.
        preset: Named link preset of `qkd_gym.physics`, which sets the protocol; fields may be
            changed, as in ``"reference(decoy=vacuum+weak, block_size=1e7)"``.
        hybrid_presets: More presets; each link of a generated network has one of all of them, with
            equal chance. Links of real networks have the preset that their file gives.
        detector_efficiency: Efficiency of the detectors instead of the preset's.
        modules_per_site: QKD modules at each site; an active link holds one at both ends.
        calibration_s: Time from activation until key flows.
        dwell_s: A link is released last until it has yielded key for this long.
        pool_capacity_bits: Capacity of the key pool of each link.
        initial_fill: Fill of the pools of the links that are active at the start.
        key_lifetime_s: Age at which stored key is destroyed; 0 keeps it forever.
        misalignment: Mean misalignment error probability of a link.
        drift_std: Stationary standard deviation of the misalignment's Ornstein-Uhlenbeck drift.
        drift_memory_s: Its correlation time.
        site_misalignment: Scale of the half-normal hidden misalignment of each site.
        link_excess_loss_db: Mean of the exponential hidden excess loss of each link.
        measured_share: Share of the inactive links that have been measured before the start.
        measured_age_s: Those measurements have ages uniform from 0 to this.
        clear_s: Mean duration of clear weather, which free-space links of a district share.
        fog_s: Mean duration of fog.
        fog_loss_db: Extra loss of a free-space link in fog.
        outages_per_link_minute: Rate of equipment or fibre outages.
        outage_min_s: Shortest outage.
        outage_mean_s: Mean of the exponential part added to it.
        attacks_per_link_minute: Rate of intercept-resend attacks.
        attack_min_s: Shortest attack.
        attack_mean_s: Mean of the exponential part added to it.
        attack_fraction: Smallest intercepted fraction of the pulses; attacks are uniform from it
            to 1.
        attack_target: ``"uniform"`` over links, or ``"central"``: in proportion to the squared
            edge betweenness of a link.
        load: Mean demand in units of the largest fraction of the mean traffic matrix that the
            best static fractional plan can carry.
        requests_per_site_hour: Mean number of key requests, divided by the number of sites.
        request_size_sigma: Standard deviation of the logarithm of a request's size.
        gravity_distance_km: Demand between two sites falls as exp(-distance / this).
        diurnal_amplitude: Relative amplitude of the daily demand cycle of each district.
        diurnal_period_s: Its period.
        hot_spot_share: Share of the requests that have the current hot spot as one end.
        hot_spot_s: Mean time until another site becomes the hot spot.
        burst_share: Mean share of the requests that come from bursts of one pair of sites.
        burst_sources: Number of independent on-off burst sources.
        burst_on_s: Mean duration of a burst.
        burst_off_s: Mean pause of a burst source.
        episode_s: Length of an episode.
        candidate_paths: Candidate paths per pair of sites.
        max_hops: Longest candidate path.
        demand_memory_s: Time constant of the recent-demand averages that are observed.
        key_weight: Weight of the delivered key in the reward.
        qber_weight: Weight of the QBER term in the reward.
    """

    topology: str = "clustered"
    n_sites: int = _integer(20, 6, 250)
    bank_size: int = _integer(64, 1, 1_000_000)
    bank_seed: int = _integer(0, 0)
    split: str = _choice("train", SPLITS)
    network_index: int | None = None
    preset: str = "reference"
    hybrid_presets: tuple[str, ...] = ()
    detector_efficiency: float | None = None

    modules_per_site: int = _integer(2, 1)
    calibration_s: float = _number(180.0, 0.0, unit="s")
    dwell_s: float = _number(360.0, 0.0, unit="s")

    pool_capacity_bits: int = _integer(30_000_000, 1, 2**52)
    initial_fill: float = _number(0.3, 0.0, 1.0)
    key_lifetime_s: float = _number(0.0, 0.0, unit="s")

    misalignment: float = _number(0.015, 0.0, 0.5)
    drift_std: float = _number(0.008, 0.0, 0.5)
    drift_memory_s: float = _number(3600.0, 0.0, low_open=True, unit="s")
    site_misalignment: float = _number(0.002, 0.0, 0.5)
    link_excess_loss_db: float = _number(0.2, 0.0, 30.0, unit="dB")
    measured_share: float = _number(0.4, 0.0, 1.0)
    measured_age_s: float = _number(7200.0, 0.0, unit="s")

    clear_s: float = _number(7200.0, 0.0, low_open=True, unit="s")
    fog_s: float = _number(1800.0, 0.0, low_open=True, unit="s")
    fog_loss_db: float = _number(30.0, 0.0, unit="dB")
    outages_per_link_minute: float = _number(1 / 800, 0.0, 1.0)
    outage_min_s: float = _number(600.0, 0.0, unit="s")
    outage_mean_s: float = _number(2400.0, 0.0, unit="s")
    attacks_per_link_minute: float = _number(1 / 600, 0.0, 1.0)
    attack_min_s: float = _number(300.0, 0.0, unit="s")
    attack_mean_s: float = _number(1800.0, 0.0, unit="s")
    attack_fraction: float = _number(0.45, 0.0, 1.0)
    attack_target: str = _choice("uniform", ATTACK_TARGETS)

    load: float = _number(1.0, 0.0, 100.0, low_open=True)
    requests_per_site_hour: float = _number(15.0, 0.0, 1000.0, low_open=True)
    request_size_sigma: float = _number(0.5, 0.0, 3.0)
    gravity_distance_km: float = _number(60.0, 0.0, low_open=True, unit="km")
    diurnal_amplitude: float = _number(0.6, 0.0, 1.0)
    diurnal_period_s: float = _number(86_400.0, 0.0, low_open=True, unit="s")
    hot_spot_share: float = _number(0.25, 0.0, 1.0)
    hot_spot_s: float = _number(3600.0, 0.0, low_open=True, unit="s")
    burst_share: float = _number(0.2, 0.0, 1.0)
    burst_sources: int = _integer(3, 1, 64)
    burst_on_s: float = _number(900.0, 0.0, low_open=True, unit="s")
    burst_off_s: float = _number(2700.0, 0.0, low_open=True, unit="s")

    episode_s: float = _number(9000.0, 0.0, low_open=True, unit="s")
    candidate_paths: int = _integer(6, 1, 64)
    max_hops: int = _integer(12, 1, 64)
    demand_memory_s: float = _number(600.0, 0.0, low_open=True, unit="s")
    key_weight: float = _number(1.0, 0.0, 100.0)
    qber_weight: float = _number(0.1, 0.0, 100.0)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if "number" in field.metadata:
                require_between(field.name, value, **field.metadata["number"])
            elif "integer" in field.metadata:
                require_integer(field.name, value, *field.metadata["integer"])
            elif "choice" in field.metadata:
                require_choice(field.name, value, field.metadata["choice"])
            elif field.name in ("topology", "preset") and not isinstance(value, str):
                raise InvalidInput(f"{field.name} is {value!r}, but must be a name.")
        self._check_presets()
        if self.network_index is not None:
            require_integer("network_index", self.network_index, 0, self.bank_size - 1)
        if self.detector_efficiency is not None:
            efficiency = self.detector_efficiency
            require_between("detector_efficiency", efficiency, 0.0, 1.0, low_open=True)
        share = self.hot_spot_share + self.burst_share
        if share > 1.0:
            raise InvalidInput(f"hot_spot_share + burst_share is {share:g}, but must be at most 1.")

    def _check_presets(self) -> None:
        hybrid = self.hybrid_presets
        names = [hybrid] if isinstance(hybrid, str) else list(hybrid)
        if not all(isinstance(name, str) for name in names):
            raise InvalidInput(f"hybrid_presets is {hybrid!r}, but must be a list of names.")
        # Files and command lines give lists or a single name.
        object.__setattr__(self, "hybrid_presets", tuple(names))
        for name in (self.preset, *names):
            preset(name)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Builds a configuration from a mapping, for instance one read from JSON.

        Raises:
            InvalidInput: On an unknown key or a value outside its range.
        """
        require_known_keys("NetworkConfig", values, [f.name for f in dataclasses.fields(cls)])
        return cls(**values)

    def replace(self, **changes: Any) -> NetworkConfig:
        """A copy with some fields changed; unknown names raise `InvalidInput`."""
        return NetworkConfig.from_mapping({**dataclasses.asdict(self), **changes})


def interval_s(n_sites: int) -> float:
    """Length of a decision interval in seconds.

    One link can be switched per interval, so the interval shrinks with the network: a network of
    100 sites gets ten times the switching decisions of one of 10.
    """
    return 60.0 / math.ceil(n_sites / 10)
