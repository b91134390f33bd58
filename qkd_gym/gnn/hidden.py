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
from qkd_gym.fields import check_fields, number
from qkd_gym.gnn.data import HORIZON_S, VIABLE_SHARE, ViabilityGraph
from qkd_gym.network import NetworkConfig
from qkd_gym.network.tables import RateTable, rate_table
from qkd_gym.topology import Topology

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

    misalignment: float = number(0.01, 0.0, 0.5)
    site_misalignment: float = number(0.02, 0.0, 0.5)
    link_excess_loss_db: float = number(1.0, 0.0, unit="dB")
    drift_std: float = number(0.008, 0.0, 0.5)
    drift_memory_s: float = number(3600.0, 0.0, low_open=True, unit="s")
    measured_share: float = number(0.4, 0.0, 1.0)
    measured_age_s: float = number(7200.0, 0.0, unit="s")
    active_share: float = number(0.0, 0.0, 1.0)
    integration_s: float = number(60.0, 0.0, low_open=True, unit="s")
    preset: str = "reference"

    def __post_init__(self) -> None:
        check_fields(self)


REFERENCE = HiddenQuality()
# The spreads of the reference halved, and half as large again and doubled.
WEAKER = HiddenQuality(site_misalignment=0.01, link_excess_loss_db=0.5)
STRONGER = HiddenQuality(site_misalignment=0.03, link_excess_loss_db=2.0)


def draw(
    topology: Topology, rng: np.random.Generator, setting: HiddenQuality = REFERENCE
) -> ViabilityGraph:
    """One network with hidden quality as the operator sees it, and what becomes of its links.

    All links of the topology run the setting's preset.
    """
    links = topology.n_links
    table = rate_table(setting.preset)
    nominal_rate, _, _ = table.look_up(topology.loss_db, setting.misalignment)
    loss_db = topology.loss_db + rng.exponential(setting.link_excess_loss_db, links)
    parts = setting.site_misalignment * np.abs(rng.standard_normal(topology.n_sites))
    error = setting.misalignment + parts[topology.link_endpoints].sum(axis=1)

    measured = rng.random(links) < setting.measured_share
    active = measured & (rng.random(links) < setting.active_share)
    age_s = np.where(active, 0.0, rng.uniform(0.0, setting.measured_age_s, links))
    drift = setting.drift_std * rng.standard_normal(links)
    seen_rate, seen_qber = _measure(table, loss_db, error + drift, setting.integration_s, rng)

    looks = []
    wait = age_s
    for _ in range(LOOKS):
        kept = np.exp(-wait / setting.drift_memory_s)
        fresh = setting.drift_std * rng.standard_normal(links)
        drift = kept * drift + np.sqrt(1.0 - kept**2) * fresh
        looks.append(table.look_up(loss_db, error + drift))
        wait = np.full(links, HORIZON_S / (LOOKS - 1))
    rate, _, qber = np.mean(looks, axis=0)

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
    viable = (qber < table.qber_threshold) & (rate > VIABLE_SHARE * nominal_rate)
    return ViabilityGraph(
        nodes=site_features(topology),
        links=_feature_array(links, columns, LINK),
        ends=topology.link_endpoints,
        viable=viable.astype(np.float32),
        rate_bps=rate,
        nominal_rate_bps=nominal_rate,
        qber=qber,
    )


def site_features(topology: Topology) -> NDArray[np.float32]:
    """What the layout of observations says of sites, (n, features); zero where demand enters."""
    n = topology.n_sites
    x, y = (topology.positions_km - topology.positions_km.mean(axis=0)).T / LENGTH_SCALE_KM
    columns = {
        "x": x,
        "y": y,
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
