"""All parameters of a simulated network, with their units and allowed ranges."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qkd_gym.errors import (
    InvalidInput,
    require_choice,
    require_integer,
    require_known_keys,
    shown,
)
from qkd_gym.fields import check_fields, choice, integer, number
from qkd_gym.names import registered
from qkd_gym.network.faults import Fault, read_faults
from qkd_gym.network.reward import read_weights
from qkd_gym.network.services import ServiceClass, read_classes
from qkd_gym.physics import preset
from qkd_gym.topology import Demand, Topology, available, from_mapping, is_own, load
from qkd_gym.topology.demand import read_demand

SPLITS = ("train", "validation", "test")
GENERATED = ("clustered", "source-study")
ATTACK_TARGETS = ("uniform", "central")
PARTIAL_BLOCKS = ("lost", "kept")
OPPONENT = "opponent"  # among what is registered
OPPONENTS = ("random", "betweenness", "busiest")  # those of `qkd_gym.opponents`
_LONGEST_S = 1e9  # thirty years, long beside any episode
_MOST_HOPS = 127  # of a bundle of paths, counted in a byte
MOST_PRESETS = 64  # of links side by side, each with a rate table of 2 MB


@dataclass(frozen=True)
class NetworkConfig:
    """What an episode is made of; defaults are the scenario `metro`.

    Each field is documented below it; `docs/configuration.md` lists all with units and ranges.

    Raises:
        InvalidInput: On the first value outside its range.
    """

    topology: str | Topology = "clustered"
    """``"clustered"`` or ``"source-study"`` (generated), a catalogue name, or a network of your own
    in any form that `qkd_gym.topology.load` takes, or what a topology file holds. Files are read
    once, here: what is in them then belongs to the configuration."""
    n_sites: int = integer(20, 6, 250)
    """Number of sites of generated networks; real ones have as many as they have."""
    bank_size: int = integer(64, 1, 1_000_000)
    """Number of generated networks that episodes draw from; of a real one there is one."""
    bank_seed: int = integer(0, 0, 2**63 - 1)
    """Seed of the bank; every (seed, split, index) is another network."""
    split: str = choice("train", SPLITS)
    """Which of the disjoint banks to draw from."""
    network_index: int | None = integer(None, 0)
    """Fixes every episode to this network of the bank; an index below ``bank_size``."""
    preset: str = "reference"
    """Named link preset of `qkd_gym.physics`, which sets the protocol; fields may be changed, as in
    ``"reference(decoy=vacuum+weak, block_size=1e7)"``."""
    hybrid_presets: tuple[str, ...] = ()
    """More presets; each link of a generated network has one of all of them, with equal
    chance. Links of real networks have the preset that their file gives."""
    detector_efficiency: float | None = number(None, 1e-6, 1.0)
    """Efficiency of the detectors instead of the preset's."""

    modules_per_site: int = integer(2, 1, 1000)
    """QKD modules at each site; an active link holds one at both ends."""
    calibration_s: float = number(180.0, 0.0, _LONGEST_S, unit="s")
    """Time from activation of a link until key flows."""
    switches_per_interval: int = integer(3, 1, 1000)
    """Links that may be switched on in one decision interval where the operator also says which
    links make way, as in `LinkScheduling`; elsewhere a step switches one link."""
    dwell_s: float = number(360.0, 0.0, _LONGEST_S, unit="s")
    """A link that has yielded key for less than this is released last."""

    pool_capacity_bits: int = integer(30_000_000, 1, 2**52)
    """Capacity of the key pool of each link."""
    initial_fill: float = number(0.3, 0.0, 1.0)
    """Fill of the pools of the links that are active at the start."""
    key_lifetime_s: float = number(0.0, 0.0, _LONGEST_S, unit="s")
    """Age at which stored key is destroyed; 0 keeps it forever."""
    partial_blocks: str = choice("lost", PARTIAL_BLOCKS)
    """What becomes of a block of a preset with ``block_size`` that is not full when its link is
    switched off, fails or raises the QBER alarm: ``"lost"``, or ``"kept"`` until it goes on."""

    misalignment: float = number(0.015, 0.0, 0.5)
    """Mean misalignment error probability of a link."""
    drift_std: float = number(0.008, 0.0, 0.5)
    """Stationary standard deviation of the misalignment's Ornstein-Uhlenbeck drift."""
    drift_memory_s: float = number(3600.0, 1.0, _LONGEST_S, unit="s")
    """Correlation time of the drift of a link's misalignment."""
    site_misalignment: float = number(0.002, 0.0, 0.5)
    """Scale of the half-normal hidden misalignment of each site."""
    link_excess_loss_db: float = number(0.2, 0.0, 30.0, unit="dB")
    """Mean of the exponential hidden excess loss of each link."""
    measured_share: float = number(0.4, 0.0, 1.0)
    """Share of the inactive links that have been measured before the start."""
    measured_age_s: float = number(7200.0, 0.0, _LONGEST_S, unit="s")
    """Measurements from before the start have ages uniform from 0 to this."""

    clear_s: float = number(7200.0, 1.0, _LONGEST_S, unit="s")
    """Mean duration of clear weather, which free-space links of a district share."""
    fog_s: float = number(1800.0, 1.0, _LONGEST_S, unit="s")
    """Mean duration of fog, which free-space links of a district share."""
    fog_loss_db: float = number(30.0, 0.0, 1000.0, unit="dB")
    """Extra loss of a free-space link in fog."""
    outages_per_link_minute: float = number(1 / 800, 0.0, 1.0)
    """Rate of equipment or fibre outages."""
    outage_min_s: float = number(600.0, 0.0, _LONGEST_S, unit="s")
    """Shortest outage."""
    outage_mean_s: float = number(2400.0, 0.0, _LONGEST_S, unit="s")
    """Mean of the exponential part of an outage, added to the shortest one."""
    attacks_per_link_minute: float = number(1 / 600, 0.0, 1.0)
    """Rate of intercept-resend attacks."""
    attack_min_s: float = number(300.0, 0.0, _LONGEST_S, unit="s")
    """Shortest attack."""
    attack_mean_s: float = number(1800.0, 0.0, _LONGEST_S, unit="s")
    """Mean of the exponential part of an attack, added to the shortest one."""
    attack_fraction: float = number(0.45, 0.0, 1.0)
    """Smallest intercepted fraction of the pulses; attacks are uniform from it to 1."""
    attack_target: str = choice("uniform", ATTACK_TARGETS)
    """``"uniform"`` over links, or ``"central"``: in proportion to the squared edge
    betweenness of a link."""
    opponent: str = ""
    """An eavesdropper that chooses which links to attack by what it sees: ``"random"``,
    ``"betweenness"``, ``"busiest"`` or a name of `qkd_gym.opponents.register_opponent`; none if
    empty. Its attacks come on top of those above, last ``attack_min_s`` and intercept
    ``attack_fraction`` of the pulses."""
    opponent_links: int = integer(2, 1, 1000)
    """Links that the opponent attacks at the same time, at most."""
    opponent_delay_s: float = number(300.0, 0.0, _LONGEST_S, unit="s")
    """Time for which a link must have carried light before the opponent can attack it."""
    faults: tuple[Fault, ...] = ()
    """Further faults and attacks, each a `Fault` or a mapping of its fields, see below; with any,
    observations have the operator's alarms."""

    demand: Demand | None = None
    """What the sites of one network ask of each other, a `Demand` or a mapping of its fields, see
    below; by default that of its topology file, or else gravity demand."""
    load: float = number(1.0, 1e-9, 100.0)
    """Mean demand in units of the largest fraction of the mean traffic matrix that the best
    static fractional plan can carry."""
    requests_per_site_hour: float = number(15.0, 1e-3, 1000.0)
    """Mean number of key requests, divided by the number of sites."""
    request_size_sigma: float = number(0.5, 0.0, 3.0)
    """Standard deviation of the logarithm of a request's size."""
    gravity_distance_km: float = number(60.0, 1.0, 1e6, unit="km")
    """Distance over which demand between two sites falls by a factor of e."""
    diurnal_amplitude: float = number(0.6, 0.0, 1.0)
    """Relative amplitude of the daily demand cycle of each district."""
    diurnal_period_s: float = number(86_400.0, 1.0, _LONGEST_S, unit="s")
    """Period of the daily demand cycle."""
    hot_spot_share: float = number(0.25, 0.0, 1.0)
    """Share of the requests that have the current hot spot as one end."""
    hot_spot_s: float = number(3600.0, 1.0, _LONGEST_S, unit="s")
    """Mean time until another site becomes the hot spot."""
    burst_share: float = number(0.2, 0.0, 1.0)
    """Mean share of the requests that come from bursts of one pair of sites."""
    burst_sources: int = integer(3, 1, 64)
    """Number of independent on-off burst sources."""
    burst_on_s: float = number(900.0, 1.0, _LONGEST_S, unit="s")
    """Mean duration of a burst."""
    burst_off_s: float = number(2700.0, 1.0, _LONGEST_S, unit="s")
    """Mean pause of a burst source."""
    service_classes: tuple[ServiceClass, ...] = ()
    """Kinds of requests with their share, size, value and patience, each a `ServiceClass` or a
    mapping of its fields, see below; without any, all requests are alike and none may wait."""

    episode_s: float = number(9000.0, 1.0, _LONGEST_S, unit="s")
    """Length of an episode."""
    candidate_paths: int = integer(6, 1, 64)
    """Candidate paths per pair of sites."""
    max_hops: int = integer(12, 1, 64)
    """Longest candidate path."""
    disjoint_paths: int = integer(1, 1, 4)
    """Paths without a common relay over which each request goes at the same time, so that no relay
    alone learns the key; each spends it. Two sites have fewer where the network has no more between
    them, and one if a link joins them, which needs no relay. Above 1, a candidate path is such a
    bundle of paths."""
    demand_memory_s: float = number(600.0, 1.0, _LONGEST_S, unit="s")
    """Time constant of the recent-demand averages that are observed."""
    key_weight: float = number(1.0, 0.0, 100.0)
    """Weight of the delivered key in the reward."""
    qber_weight: float = number(0.1, 0.0, 100.0)
    """Weight of the QBER term in the reward."""
    reward_weights: tuple[tuple[str, float], ...] = ()
    """Further terms of the reward, a mapping of accounts of `qkd_gym.network.accounts` to their
    weights, for instance ``{"blocked_bits": -0.1, "switches": -0.01}``; bits count in units of the
    mean offered bits of a step, and what a step leaves behind, stored and waiting bits, cannot."""

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "topology", _read_topology(self.topology))
        require_choice("opponent", self.opponent, ("", *OPPONENTS, *registered(OPPONENT)))
        self._check_presets()
        object.__setattr__(self, "service_classes", read_classes(self.service_classes))
        object.__setattr__(self, "faults", read_faults(self.faults))
        object.__setattr__(self, "reward_weights", read_weights(self.reward_weights))
        object.__setattr__(self, "demand", self._read_demand())
        if self.network_index is not None:
            require_integer("network_index", self.network_index, 0, self.bank_size - 1)
        # What real networks say themselves.
        if self.n_sites != NetworkConfig.n_sites:
            self._require_generated("n_sites")
        if self.hybrid_presets:
            self._require_generated("hybrid_presets")
        if self.disjoint_paths * self.max_hops > _MOST_HOPS and self.disjoint_paths > 1:
            raise InvalidInput(
                f"disjoint_paths is {self.disjoint_paths}, but must be at most "
                f"{_MOST_HOPS // self.max_hops} beside max_hops {self.max_hops}."
            )
        share = self.hot_spot_share + self.burst_share
        if share > 1.0:
            raise InvalidInput(f"hot_spot_share + burst_share is {share:g}, but must be at most 1.")

    def _check_presets(self) -> None:
        # Files and command lines give lists or a single name.
        hybrid: Any = self.hybrid_presets
        names = (hybrid,) if isinstance(hybrid, str) else hybrid
        is_list = isinstance(names, (list, tuple)) and len(names) <= MOST_PRESETS
        if not is_list or not all(isinstance(name, str) for name in names):
            raise InvalidInput(
                f"hybrid_presets is {shown(hybrid)}, but must be a list of at most "
                f"{MOST_PRESETS} names."
            )
        object.__setattr__(self, "hybrid_presets", tuple(names))
        for name in (self.preset, *names):
            preset(name)

    def _read_demand(self) -> Demand | None:
        """The demand, checked beside all that hangs on it; None if it is all generated."""
        network = self.topology
        given = self.demand
        if given is None and isinstance(network, Topology):
            given = network.demand
        if given is None:
            return None
        if network in GENERATED:
            raise InvalidInput(
                f"demand is {shown(given)}, but must not be set for the topology "
                f"{shown(network)}: it is that between the sites of one network."
            )
        names = (load(network) if isinstance(network, str) else network).site_names
        demand = read_demand(given, names)
        if demand.says_how_much and self.load != 1.0:
            raise InvalidInput(
                f"load is {self.load:g}, but must be 1 where the demand says how much is asked."
            )
        if demand.requests and self.service_classes:
            raise InvalidInput(
                f"demand has {len(demand.requests)} requests, but must have none beside "
                "service_classes, since those recorded belong to no class."
            )
        return demand

    def _require_generated(self, name: str) -> None:
        if self.topology not in GENERATED:
            raise InvalidInput(
                f"{name} is {shown(getattr(self, name))}, but must not be set for the topology "
                f"{shown(getattr(self.topology, 'name', self.topology))}: only generated networks "
                "have it."
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Builds a configuration from a mapping, for instance one read from JSON.

        Raises:
            InvalidInput: If it is no mapping, on an unknown key or a value outside its range.
        """
        if not isinstance(values, Mapping):
            raise InvalidInput(f"configuration is {shown(values)}, but must be a mapping.")
        require_known_keys("NetworkConfig", values, FIELDS)
        return cls(**values)

    def replace(self, **changes: Any) -> NetworkConfig:
        """A copy with some fields changed.

        Raises:
            InvalidInput: On an unknown name, a value outside its range, or ``n_sites`` of a real
                network, whatever its value.
        """
        same = {name: getattr(self, name) for name in FIELDS}
        changed = NetworkConfig.from_mapping({**same, **changes})
        if "n_sites" in changes:
            changed._require_generated("n_sites")
        return changed


def _read_topology(value: Any) -> str | Topology:
    """The name of a network that is generated or in the catalogue, or the network itself."""
    if isinstance(value, Mapping):
        return from_mapping(value)
    if is_own(value):
        return load(value)
    require_choice("topology", value, (*GENERATED, *available()))
    return str(value)


FIELDS = tuple(field.name for field in dataclasses.fields(NetworkConfig))


def intervals_in(episode_s: float, n_sites: int) -> int:
    """Number of decision intervals of an episode, the last of which it may not fill."""
    return math.ceil(episode_s / interval_s(n_sites) - 1e-9)


def interval_s(n_sites: int) -> float:
    """Length of a decision interval in seconds.

    One link can be switched per interval, so the interval shrinks with the network: a network of
    100 sites gets ten times the switching decisions of one of 10.
    """
    return 60.0 / math.ceil(n_sites / 10)
