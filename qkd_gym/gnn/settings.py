"""Settings of training networks: how much is hidden in them, and how much has been measured."""

from __future__ import annotations

import dataclasses

import numpy as np

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality, draw
from qkd_gym.topology import Topology

# From spreads that hardly matter to those that leave few links viable.
SITE_MISALIGNMENT = (0.005, 0.05)
LINK_EXCESS_LOSS_DB = (0.25, 4.0)
DRIFT_STD = (0.004, 0.012)
MEASURED_SHARE = (0.05, 0.95)
_MOST_ACTIVE = 0.6
# How often measured and active links are those of the reference setting.
_AS_MEASURED, _AS_ACTIVE = 0.4, 0.7
# So many measurements begin to tell the spreads; a network that has fewer is mostly drawn with
# those of the reference, for there what is assumed of spreads decides.
_TELLING, _MOST_REFERENCE = 3.0, 0.8
# How often the two spreads are drawn apart from each other.
_APART = 0.5


def draw_setting(rng: np.random.Generator, n_links: int) -> HiddenQuality:
    """The setting of a training network.

    Args:
        rng: Source of randomness.
        n_links: Number of its links.
    """
    measured_share = REFERENCE.measured_share
    if rng.random() >= _AS_MEASURED:
        measured_share = _between(MEASURED_SHARE, rng.random())
    active_share = REFERENCE.active_share
    if rng.random() >= _AS_ACTIVE:
        active_share = rng.uniform(0.0, _MOST_ACTIVE)
    seen = dataclasses.replace(REFERENCE, measured_share=measured_share, active_share=active_share)
    if rng.random() < min(_MOST_REFERENCE, _TELLING / (measured_share * n_links)):
        return seen
    site = rng.random()
    link = rng.random() if rng.random() < _APART else site
    return dataclasses.replace(
        seen,
        site_misalignment=_between(SITE_MISALIGNMENT, site),
        link_excess_loss_db=_between(LINK_EXCESS_LOSS_DB, link),
        drift_std=rng.uniform(*DRIFT_STD),
    )


def draw_in_any_setting(topology: Topology, rng: np.random.Generator) -> ViabilityGraph:
    """A network on a topology, in a setting of its own.

    Args:
        topology: Its sites and links.
        rng: Source of randomness.
    """
    return draw(topology, rng, draw_setting(rng, topology.n_links))


def _between(ends: tuple[float, float], place: float) -> float:
    """The value at a place, 0 to 1, on a logarithmic scale."""
    low, high = np.log(ends)
    return float(np.exp(low + (high - low) * place))
