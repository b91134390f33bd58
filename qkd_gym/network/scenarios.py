"""Named scenarios: the tiers that policies are trained and compared on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from qkd_gym.errors import InvalidInput, require_choice
from qkd_gym.network.config import NetworkConfig
from qkd_gym.topology import available

_STATIONARY: dict[str, Any] = {
    "drift_std": 0.0,
    "outages_per_link_minute": 0.0,
    "attacks_per_link_minute": 0.0,
    "diurnal_amplitude": 0.0,
    "hot_spot_share": 0.0,
    "burst_share": 0.0,
    "site_misalignment": 0.0,
    "link_excess_loss_db": 0.0,
}

_SCENARIOS: dict[str, dict[str, Any]] = {
    "metro": {},
    "metro-slow": {"calibration_s": 360.0},
    "metro-busy": {"load": 1.2},
    "metro-attacked": {"attacks_per_link_minute": 1 / 200, "attack_target": "central"},
    "hidden": {"misalignment": 0.01, "site_misalignment": 0.02, "link_excess_loss_db": 1.0},
    # Key from finite blocks, and links of different protocols side by side.
    "metro-finite": {"preset": "reference(decoy=one, block_size=1e7, sifting=0.81)"},
    "hybrid": {"hybrid_presets": ("spdc", "cv-metro(repetition_rate_hz=1e6)")},
    # Control tiers, in which learning has nothing to gain.
    "control-instant": {"calibration_s": 0.0, "dwell_s": 0.0, **_STATIONARY},
    "control-modules": {"modules_per_site": 3},
}


def available_scenarios() -> tuple[str, ...]:
    """Names that `get_scenario` accepts: tiers first, then the catalogue of real networks."""
    return (*_SCENARIOS, *available())


def get_scenario(name: str) -> NetworkConfig:
    """The configuration of a named scenario.

    Args:
        name: A tier such as ``"metro"``, or a topology of the catalogue such as ``"madrid"``,
            which is simulated with the parameters of `metro`, as is a topology file ``*.json``.

    Raises:
        InvalidInput: If there is no such scenario.
    """
    if name.endswith(".json"):
        return NetworkConfig(topology=name, bank_size=1)
    require_choice("scenario", name, available_scenarios())
    return NetworkConfig(**_SCENARIOS.get(name, {"topology": name, "bank_size": 1}))


def resolve(
    scenario: str | NetworkConfig | Mapping[str, Any], overrides: Mapping[str, Any]
) -> NetworkConfig:
    """Turns what a user passes as ``scenario`` plus keyword overrides into a configuration.

    Raises:
        InvalidInput: On an unknown scenario, an unknown field or a value outside its range.
    """
    if isinstance(scenario, str):
        base = get_scenario(scenario)
    elif isinstance(scenario, NetworkConfig):
        base = scenario
    elif isinstance(scenario, Mapping):
        base = NetworkConfig.from_mapping(scenario)
    else:
        raise InvalidInput(
            f"scenario is {scenario!r}, but must be a name, a NetworkConfig or a mapping."
        )
    return base.replace(**overrides) if overrides else base


def as_mapping(config: NetworkConfig) -> dict[str, Any]:
    """The configuration as plain values that JSON can hold."""
    return dataclasses.asdict(config)
