"""The reference task: which candidate links will be viable, when quality is hidden.

Every site adds a hidden misalignment to all its links, every link has a hidden excess loss and
drifts, and the operator has seen some of the links some time ago. What is known of one link
therefore tells about its neighbours. Drawn directly from these distributions, on any topology,
without stepping a simulator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import require_between
from qkd_gym.features import (
    DEGREE_SCALE,
    FRESHNESS_SCALE_S,
    HOUR_S,
    LENGTH_SCALE_KM,
    LINK,
    NODE,
    OBSERVED_RATE_CAP,
    LinkFeatures,
    NodeFeatures,
)
from qkd_gym.gnn.data import HORIZON_S, VIABLE_SHARE, ViabilityGraph
from qkd_gym.network import NetworkConfig
from qkd_gym.network.tables import RateTable, rate_table
from qkd_gym.topology import Topology

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Moments of the horizon at which a link is looked at.
LOOKS = 7
# Rates are observed in pool capacities per hour.
CAPACITY_BITS = NetworkConfig().pool_capacity_bits


@dataclass(frozen=True)
class HiddenQuality:
    """How much is hidden, and how much has been measured.

    Attributes:
        misalignment: Error probability that every link has.
        site_misalignment: Scale of the half-normal error probability that each site adds to its
            links.
        link_excess_loss_db: Mean of the exponential excess loss of a link.
        drift_std: Stationary standard deviation of a link's Ornstein-Uhlenbeck drift.
        drift_memory_s: Correlation time of a link's drift.
        measured_share: Share of the links that have been measured.
        measured_age_s: Measurements have ages uniform from 0 to this.
        active_share: Share of the measured links that are active, hence measured just now.
        integration_s: Time over which QBER and key rate were counted.
        preset: Protocol of the links.
    """

    misalignment: float = 0.01
    site_misalignment: float = 0.02
    link_excess_loss_db: float = 1.0
    drift_std: float = 0.008
    drift_memory_s: float = 3600.0
    measured_share: float = 0.4
    measured_age_s: float = 7200.0
    active_share: float = 0.0
    integration_s: float = 60.0
    preset: str = "reference"

    def __post_init__(self) -> None:
        for name in ("misalignment", "site_misalignment", "drift_std"):
            require_between(name, getattr(self, name), 0.0, 0.5)
        for name in ("measured_share", "active_share"):
            require_between(name, getattr(self, name), 0.0, 1.0)
        for name in ("drift_memory_s", "integration_s"):
            require_between(name, getattr(self, name), 0.0, low_open=True, unit="s")
        require_between("link_excess_loss_db", self.link_excess_loss_db, 0.0, unit="dB")
        require_between("measured_age_s", self.measured_age_s, 0.0, unit="s")


REFERENCE = HiddenQuality()


def draw(
    topology: Topology, rng: np.random.Generator, setting: HiddenQuality = REFERENCE
) -> ViabilityGraph:
    """One network with hidden quality as the operator sees it, and what becomes of its links.

    Args:
        topology: Sites and candidate links; all links run the setting's preset.
        rng: Source of randomness.
        setting: What is hidden and what is measured.
    """
    links = len(topology.link_endpoints)
    table = rate_table(setting.preset)
    nominal_rate, _, _ = table.look_up(topology.loss_db, setting.misalignment)
    loss_db = topology.loss_db + rng.exponential(setting.link_excess_loss_db, links)
    parts = setting.site_misalignment * np.abs(rng.standard_normal(len(topology.site_names)))
    error = setting.misalignment + parts[topology.link_endpoints].sum(axis=1)

    measured = rng.random(links) < setting.measured_share
    active = measured & (rng.random(links) < setting.active_share)
    age_s = np.where(active, 0.0, rng.uniform(0.0, setting.measured_age_s, links))
    drift = setting.drift_std * rng.standard_normal(links)
    seen_rate, seen_qber = _measure(table, loss_db, error + drift, setting.integration_s, rng)

    rates, qbers = [], []
    wait = age_s
    for _ in range(LOOKS):
        kept = np.exp(-wait / setting.drift_memory_s)
        fresh = setting.drift_std * rng.standard_normal(links)
        drift = kept * drift + np.sqrt(1.0 - kept**2) * fresh
        rate, _, qber = table.look_up(loss_db, error + drift)
        rates.append(rate)
        qbers.append(qber)
        wait = np.full(links, HORIZON_S / (LOOKS - 1))
    rate, qber = np.mean(rates, axis=0), np.mean(qbers, axis=0)

    promised = np.where(nominal_rate > 0.0, nominal_rate, np.inf)
    columns = {
        "active": active,
        "nominal_rate": np.log1p(nominal_rate * HOUR_S / CAPACITY_BITS),
        "observed_rate": measured * np.minimum(seen_rate / promised, OBSERVED_RATE_CAP),
        "observed_qber": measured * seen_qber / table.qber_threshold,
        "freshness": measured * np.exp(-age_s / FRESHNESS_SCALE_S),
        "no_key": active & (seen_rate == 0.0),
        "length": topology.length_km / LENGTH_SCALE_KM,
        "free_space": topology.free_space,
    }
    return ViabilityGraph(
        nodes=site_features(topology),
        links=_feature_array(links, columns, LINK),
        ends=topology.link_endpoints,
        viable=((qber < table.qber_threshold) & (rate > VIABLE_SHARE * nominal_rate)).astype(
            np.float32
        ),
        rate_bps=rate,
        nominal_rate_bps=nominal_rate,
        qber=qber,
    )


def site_features(topology: Topology) -> NDArray[np.float32]:
    """What the layout of observations says of sites, (n, features); zero where demand enters."""
    n = len(topology.site_names)
    centred = topology.positions_km - topology.positions_km.mean(axis=0)
    columns = {
        "x": centred[:, 0] / LENGTH_SCALE_KM,
        "y": centred[:, 1] / LENGTH_SCALE_KM,
        "degree": np.bincount(topology.link_endpoints.ravel(), minlength=n) / DEGREE_SCALE,
        "betweenness": topology.betweenness,
    }
    return _feature_array(n, columns, NODE)


def _feature_array(
    rows: int, values: dict[str, NDArray[np.generic]], names: LinkFeatures | NodeFeatures
) -> NDArray[np.float32]:
    array = np.zeros((rows, len(names)), dtype=np.float32)
    for name, column in values.items():
        array[:, getattr(names, name)] = column
    return array


def _measure(
    table: RateTable, loss_db: F64, error: F64, seconds: float, rng: np.random.Generator
) -> tuple[F64, F64]:
    """Key rate (bit/s) and QBER as counted over some seconds, both (E,)."""
    rate, sifted, qber = table.look_up(loss_db, error)
    counted = np.maximum(sifted * seconds, 1.0)
    noisy = rate * (1.0 + rng.standard_normal(len(rate)) / np.sqrt(counted))
    estimate = qber + np.sqrt(qber * (1.0 - qber) / counted) * rng.standard_normal(len(rate))
    return np.clip(noisy, 0.0, sifted), np.clip(estimate, 0.0, 0.5)
