"""Named scenarios: the tiers that policies are trained and compared on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx

from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.names import register, registered
from qkd_gym.network.config import FIELDS, NetworkConfig
from qkd_gym.topology import DEPLOYED, Source, Topology, available, deployed, is_own, load

_STATIONARY: dict[str, Any] = {
    "drift_std": 0.0,
    "outages_per_link_minute": 0.0,
    "attacks_per_link_minute": 0.0,
    "diurnal_amplitude": 0.0,
    "hot_spot_share": 0.0,
    "burst_share": 0.0,
    "site_misalignment": 0.0,
    "link_excess_loss_db": 0.0,
    "fog_loss_db": 0.0,
}

# Three services side by side. Keys of encryptors that change them every so often are small, and the
# encryptor goes on with the old one for a while; one-time-pad encryption of bulk traffic asks for
# the most key and for little per bit; a few urgent requests cannot wait. Shares, sizes, worth and
# patience are assumed: see docs/classes.md for what is known of such services.
_CLASSES: tuple[dict[str, Any], ...] = (
    {"name": "rekey", "share": 0.5, "size": 0.5, "value": 4.0, "patience_s": 180.0},
    {"name": "one-time-pad", "share": 0.4, "size": 2.0, "value": 1.0, "patience_s": 300.0},
    {"name": "urgent", "share": 0.1, "size": 0.5, "value": 8.0, "patience_s": 0.0},
)

# What strikes more than one link, shows late or not at all. All rates and times are assumed: far
# more often than in the field, so that most episodes of two and a half hours meet some. That the
# alarm comes seconds after an eavesdropper is Tokyo's experience (Sasaki et al., Opt. Express 19,
# 10387, 2011, sec. 4).
_SITES_FAIL = {
    "name": "site-outage", "strikes": "site", "per_hour": 0.5, "duration_min_s": 900.0,
    "duration_mean_s": 1800.0, "detection_s": 60.0,
}  # fmt: skip
_DUCTS_FAIL = {
    "name": "duct-cut", "strikes": "duct", "target": "degree", "per_hour": 1.5,
    "duration_min_s": 1800.0, "duration_mean_s": 1800.0, "detection_s": 60.0,
}  # fmt: skip
_MAINTENANCE = {
    "name": "maintenance", "strikes": "site", "per_hour": 0.5, "duration_min_s": 1800.0,
    "announced_s": 3600.0, "detection_s": 0.0,
}  # fmt: skip
_BLINDED = {
    "name": "blinding", "effect": "blinding", "target": "betweenness", "per_hour": 2.0,
    "duration_min_s": 600.0, "duration_mean_s": 1800.0,
}  # fmt: skip
_TAPPED = {
    "name": "tap", "effect": "eavesdropping", "target": "stored-key", "per_hour": 2.0,
    "duration_min_s": 300.0, "duration_mean_s": 1800.0, "detection_s": 10.0,
}  # fmt: skip
_JAMMED = {
    "name": "stray-light", "effect": "jamming", "per_hour": 1.0, "duration_mean_s": 1800.0,
    "detection_s": 120.0,
}  # fmt: skip
_AGEING = {
    "name": "ageing", "effect": "ageing", "per_place_hour": 0.02, "duration_min_s": 3600.0,
    "duration_mean_s": 7200.0,
}  # fmt: skip

_SCENARIOS: dict[str, dict[str, Any]] = {
    "metro": {},
    # Demand, from what is easily served to what cannot be.
    "metro-light": {"load": 0.6},
    "metro-busy": {"load": 1.2},
    "metro-overloaded": {"load": 1.5},
    # Calibration, from none over a resynchronisation by software to a restart of the system.
    "metro-instant": {"calibration_s": 0.0},
    "metro-fast": {"calibration_s": 60.0},
    "metro-slow": {"calibration_s": 360.0},
    "metro-restart": {"calibration_s": 600.0},
    # Sizes; in large networks some pairs of sites are more than twelve hops apart.
    "metro-10": {"n_sites": 10},
    "metro-15": {"n_sites": 15},
    "metro-30": {"n_sites": 30},
    "metro-50": {"n_sites": 50, "bank_size": 16, "max_hops": 24},
    "metro-100": {"n_sites": 100, "bank_size": 4, "max_hops": 40},
    # What breaks.
    "metro-attacked": {"attacks_per_link_minute": 1 / 200, "attack_target": "central"},
    "metro-opponent": {"opponent": "busiest"},
    "metro-outages": {"outages_per_link_minute": 1 / 200},
    "metro-fog": {"clear_s": 3600.0, "fog_s": 2400.0},
    "metro-expiry": {"key_lifetime_s": 1800.0},
    "sites-fail": {"faults": (_SITES_FAIL,)},
    "ducts-fail": {"faults": (_DUCTS_FAIL,)},
    "maintenance": {"faults": (_MAINTENANCE,)},
    "blinded": {"faults": (_BLINDED,)},
    "bad-days": {
        "faults": (_SITES_FAIL, _DUCTS_FAIL, _MAINTENANCE, _BLINDED, _TAPPED, _JAMMED, _AGEING)
    },
    # What nobody has measured.
    "hidden": {"misalignment": 0.01, "site_misalignment": 0.02, "link_excess_loss_db": 1.0},
    "hidden-mild": {"misalignment": 0.01, "site_misalignment": 0.01, "link_excess_loss_db": 0.5},
    "hidden-unmeasured": {
        "misalignment": 0.01,
        "site_misalignment": 0.02,
        "link_excess_loss_db": 1.0,
        "measured_share": 0.0,
    },
    # Key from finite blocks, and links of different protocols side by side.
    "metro-finite": {"preset": "reference(decoy=one, block_size=1e7, sifting=0.81)"},
    "hybrid": {"hybrid_presets": ("spdc", "cv-metro(repetition_rate_hz=1e6)")},
    # The fast clock of some is held up by the dead time of their detectors: they make as much at
    # 40 km as at 5, where CV links make ten times as much, and less than they at 40.
    "hybrid-clocks": {
        "hybrid_presets": (
            "metro-1ghz(detector.dead_time_s=1e-5)",
            "cv-metro(repetition_rate_hz=1e6)",
        )
    },
    # Control tiers, in which learning has nothing to gain: max-weight is optimal (in the long run
    # and with large pools, as the theorem has it), few requests are blocked, no choice of path is
    # left, all links may run.
    "control-instant": {
        "load": 0.9,
        "calibration_s": 0.0,
        "dwell_s": 0.0,
        "pool_capacity_bits": 100_000_000,
        "initial_fill": 1.0,
        "episode_s": 43_200.0,
        **_STATIONARY,
    },
    "control-light": {"load": 0.2},
    "control-tree": {"topology": "beijing-shanghai", "bank_size": 1},
    "control-all-links": {"modules_per_site": 16},
    "control-modules": {"modules_per_site": 3},
    # Three modules, so that there is a choice of path to learn on.
    "modules-busy": {"modules_per_site": 3, "load": 1.5},
    "modules-outages": {"modules_per_site": 3, "outages_per_link_minute": 1 / 200},
    "modules-expiry": {"modules_per_site": 3, "key_lifetime_s": 1800.0},
    # Requests that are worth more or less, and may wait or not, where not all can be served; with
    # four modules nearly every request has a path over links that run, and most a choice.
    "classes": {"modules_per_site": 4, "load": 1.5, "service_classes": _CLASSES},
    "classes-busy": {"modules_per_site": 4, "load": 2.0, "service_classes": _CLASSES},
}

# Real networks with the equipment that their sources describe, by the name of the plain network.
_DEPLOYED = {f"{name}-deployed": name for name in DEPLOYED}
# Megabits per second would fill the pools of `metro` in ten seconds; a quarter of an hour of key is
# what these hold, assumed as they are.
_LARGE_POOLS: dict[str, dict[str, Any]] = {
    "cambridge-deployed": {"pool_capacity_bits": 3_000_000_000}
}


_WHAT = "scenario"  # among what is registered


def available_scenarios() -> tuple[str, ...]:
    """Names that `get_scenario` accepts: tiers first, then real networks with the equipment that
    they had, the catalogue, and what users have registered."""
    return (*_SCENARIOS, *_DEPLOYED, *available(), *registered(_WHAT))


def register_scenario(
    name: str, scenario: str | Path | Topology | NetworkConfig | Mapping[str, Any], **changes: Any
) -> None:
    """Makes a scenario known by a name, wherever one takes the name of a scenario.

    That is in this process and in those that the package starts; others register it themselves.

    Args:
        name: 1 to 64 letters, digits, ``-`` and ``_``; none of the package's own.
        scenario: What it is or starts from: whatever `qkd_gym.envs.QKDEnv` takes.
        **changes: Fields of `NetworkConfig` to change.

    Raises:
        InvalidInput: On a name that is taken or none, or a bad scenario.
    """
    register(_WHAT, name, resolve(scenario, changes), (*_SCENARIOS, *_DEPLOYED, *available()))


def get_scenario(name: str) -> NetworkConfig:
    """The configuration of a named scenario.

    Args:
        name: A tier such as ``"metro"``, a name of `register_scenario`, or a topology of the
            catalogue such as ``"madrid"``, which is simulated with the parameters of `metro`, as
            is one of `qkd_gym.topology.deployed`, such as ``"tokyo-deployed"``, the path of a
            network's file or a network of topohub, see `qkd_gym.topology.load`.

    Raises:
        InvalidInput: If there is no such scenario.
    """
    if is_own(name):
        return NetworkConfig(topology=name, bank_size=1)
    require_choice("scenario", name, available_scenarios())
    if name in registered(_WHAT):
        own: NetworkConfig = registered(_WHAT)[name]
        return own
    if name in _DEPLOYED:
        pools = _LARGE_POOLS.get(name, {})
        return NetworkConfig(topology=deployed(_DEPLOYED[name]), bank_size=1, **pools)
    return NetworkConfig(**_SCENARIOS.get(name, {"topology": name, "bank_size": 1}))


def resolve(
    scenario: Source | NetworkConfig | Mapping[str, Any],
    overrides: Mapping[str, Any],
) -> NetworkConfig:
    """Turns what a user passes as ``scenario`` plus keyword overrides into a configuration.

    A network, whatever form `qkd_gym.topology.load` takes it in, is simulated with the parameters
    of `metro`.

    Raises:
        InvalidInput: On an unknown scenario, an unknown field or a value outside its range.
    """
    if isinstance(scenario, str):
        base = get_scenario(scenario)
    elif isinstance(scenario, (Path, Topology, nx.Graph)):
        base = NetworkConfig(topology=load(scenario), bank_size=1)
    elif isinstance(scenario, NetworkConfig):
        base = scenario
    elif isinstance(scenario, Mapping):
        base = NetworkConfig.from_mapping(scenario)
    else:
        raise InvalidInput(
            f"scenario is {shown(scenario)}, but must be a name, a path, a Topology, a networkx "
            "graph, a NetworkConfig or a mapping."
        )
    return base.replace(**overrides) if overrides else base


# Fields that are younger than the first files, which do not have them.
_LATER = (
    "service_classes", "faults", "demand", "reward_weights", "disjoint_paths", "partial_blocks",
    "opponent", "opponent_links", "opponent_delay_s",
)  # fmt: skip


def as_mapping(config: NetworkConfig) -> dict[str, Any]:
    """The configuration as plain values that JSON can hold, a network from a file included.

    What came later than the first files it leaves out where it has its default, as they did.
    """
    values = {name: getattr(config, name) for name in FIELDS}
    values["service_classes"] = [dataclasses.asdict(each) for each in config.service_classes]
    values["faults"] = [dataclasses.asdict(each) for each in config.faults]
    values["demand"] = None if config.demand is None else dataclasses.asdict(config.demand)
    values["reward_weights"] = dict(config.reward_weights)
    for name in _LATER:
        if getattr(config, name) == getattr(NetworkConfig, name):
            del values[name]
    if isinstance(config.topology, Topology):
        values["topology"] = config.topology.to_mapping()
    return values
