"""The tiers differ from `metro` by what their names say, and by nothing else.

Published results and trained agents hang on these numbers.
"""

import dataclasses

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, available_scenarios, get_scenario
from qkd_gym.topology import DEPLOYED, available, deployed, load

STATIONARY = {
    "drift_std": 0, "outages_per_link_minute": 0, "attacks_per_link_minute": 0,
    "diurnal_amplitude": 0, "hot_spot_share": 0, "burst_share": 0, "site_misalignment": 0,
    "link_excess_loss_db": 0, "fog_loss_db": 0,
}  # fmt: skip
HIDDEN = {"misalignment": 0.01, "site_misalignment": 0.02, "link_excess_loss_db": 1}
OFTEN = 0.005  # once in 200 link-minutes
CLASSES = (
    {"name": "rekey", "share": 0.5, "size": 0.5, "value": 4, "patience_s": 180},
    {"name": "one-time-pad", "share": 0.4, "size": 2, "value": 1, "patience_s": 300},
    {"name": "urgent", "share": 0.1, "size": 0.5, "value": 8, "patience_s": 0},
)
FAULT = {
    "effect": "outage", "strikes": "link", "target": "uniform", "per_hour": 0, "per_place_hour": 0,
    "duration_min_s": 0, "duration_mean_s": 0, "detection_s": None, "announced_s": 0,
    "intercepted_fraction": 0.45, "stray_photons": 1e-3, "loss_db_per_hour": 1,
}  # fmt: skip
SITES_FAIL = {
    **FAULT, "name": "site-outage", "strikes": "site", "per_hour": 0.5, "duration_min_s": 900,
    "duration_mean_s": 1800, "detection_s": 60,
}  # fmt: skip
DUCTS_FAIL = {
    **FAULT, "name": "duct-cut", "strikes": "duct", "target": "degree", "per_hour": 1.5,
    "duration_min_s": 1800, "duration_mean_s": 1800, "detection_s": 60,
}  # fmt: skip
MAINTENANCE = {
    **FAULT, "name": "maintenance", "strikes": "site", "per_hour": 0.5, "duration_min_s": 1800,
    "announced_s": 3600, "detection_s": 0,
}  # fmt: skip
BLINDED = {
    **FAULT, "name": "blinding", "effect": "blinding", "target": "betweenness", "per_hour": 2,
    "duration_min_s": 600, "duration_mean_s": 1800,
}  # fmt: skip
TAPPED = {
    **FAULT, "name": "tap", "effect": "eavesdropping", "target": "stored-key", "per_hour": 2,
    "duration_min_s": 300, "duration_mean_s": 1800, "detection_s": 10,
}  # fmt: skip
JAMMED = {
    **FAULT, "name": "stray-light", "effect": "jamming", "per_hour": 1, "duration_mean_s": 1800,
    "detection_s": 120,
}  # fmt: skip
AGEING = {
    **FAULT, "name": "ageing", "effect": "ageing", "per_place_hour": 0.02, "duration_min_s": 3600,
    "duration_mean_s": 7200,
}  # fmt: skip
TIERS = {
    "metro": {},
    "metro-light": {"load": 0.6},
    "metro-busy": {"load": 1.2},
    "metro-overloaded": {"load": 1.5},
    "metro-instant": {"calibration_s": 0},
    "metro-fast": {"calibration_s": 60},
    "metro-slow": {"calibration_s": 360},
    "metro-restart": {"calibration_s": 600},
    "metro-10": {"n_sites": 10},
    "metro-15": {"n_sites": 15},
    "metro-30": {"n_sites": 30},
    "metro-50": {"n_sites": 50, "bank_size": 16, "max_hops": 24},
    "metro-100": {"n_sites": 100, "bank_size": 4, "max_hops": 40},
    "metro-attacked": {"attacks_per_link_minute": OFTEN, "attack_target": "central"},
    "metro-opponent": {"opponent": "busiest"},
    "metro-outages": {"outages_per_link_minute": OFTEN},
    "metro-fog": {"clear_s": 3600, "fog_s": 2400},
    "metro-expiry": {"key_lifetime_s": 1800},
    "sites-fail": {"faults": (SITES_FAIL,)},
    "ducts-fail": {"faults": (DUCTS_FAIL,)},
    "maintenance": {"faults": (MAINTENANCE,)},
    "blinded": {"faults": (BLINDED,)},
    "bad-days": {
        "faults": (SITES_FAIL, DUCTS_FAIL, MAINTENANCE, BLINDED, TAPPED, JAMMED, AGEING)
    },
    "hidden": HIDDEN,
    "hidden-mild": {**HIDDEN, "site_misalignment": 0.01, "link_excess_loss_db": 0.5},
    "hidden-unmeasured": {**HIDDEN, "measured_share": 0},
    "metro-finite": {"preset": "reference(decoy=one, block_size=1e7, sifting=0.81)"},
    "hybrid": {"hybrid_presets": ("spdc", "cv-metro(repetition_rate_hz=1e6)")},
    "control-instant": {
        **STATIONARY, "load": 0.9, "calibration_s": 0, "dwell_s": 0, "initial_fill": 1,
        "pool_capacity_bits": 10**8, "episode_s": 12 * 3600,
    },
    "hybrid-clocks": {
        "hybrid_presets": (
            "metro-1ghz(detector.dead_time_s=1e-5)", "cv-metro(repetition_rate_hz=1e6)",
        ),
    },
    "control-light": {"load": 0.2},
    "control-tree": {"topology": "beijing-shanghai", "bank_size": 1},
    "control-all-links": {"modules_per_site": 16},
    "control-modules": {"modules_per_site": 3},
    "modules-busy": {"modules_per_site": 3, "load": 1.5},
    "modules-outages": {"modules_per_site": 3, "outages_per_link_minute": OFTEN},
    "modules-expiry": {"modules_per_site": 3, "key_lifetime_s": 1800},
    "classes": {"modules_per_site": 4, "load": 1.5, "service_classes": CLASSES},
    "classes-busy": {"modules_per_site": 4, "load": 2, "service_classes": CLASSES},
}  # fmt: skip


OWN = (*available(), *(f"{name}-deployed" for name in DEPLOYED))


@pytest.mark.parametrize("name", [n for n in available_scenarios() if n not in OWN])
def test_tier(name):
    plain = dataclasses.asdict(NetworkConfig())
    found = dataclasses.asdict(get_scenario(name))
    assert {key: value for key, value in found.items() if value != plain[key]} == TIERS[name]


@pytest.mark.parametrize("name", available())
def test_real_networks_have_the_parameters_of_metro(name):
    assert get_scenario(name) == NetworkConfig(topology=name, bank_size=1)


@pytest.mark.parametrize("name", DEPLOYED)
def test_deployed_networks_differ_in_their_equipment_alone(name):
    config, plain = get_scenario(f"{name}-deployed"), load(name)
    # Pools that hold as long a time of key where links make a hundred times as much.
    bits = 3_000_000_000 if name == "cambridge" else 30_000_000
    alike = NetworkConfig(topology=name, bank_size=1, pool_capacity_bits=bits)
    assert config.replace(topology=name) == alike
    network = config.topology
    assert network.name == f"{name}-deployed"
    assert network.source == plain.source
    np.testing.assert_array_equal(network.positions_km, plain.positions_km)
    np.testing.assert_array_equal(network.length_km, plain.length_km)
    np.testing.assert_array_equal(network.link_endpoints, plain.link_endpoints)
    assert all(network.link_presets)
    # The loss of one link alone is described where the catalogue has its length.
    assert (network.loss_db != plain.loss_db).sum() == (name == "vienna")


def test_only_networks_with_known_equipment_are_deployed():
    with pytest.raises(InvalidInput, match="topology is 'madrid'"):
        deployed("madrid")
