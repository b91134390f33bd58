"""Networks to pretrain on: many topologies, each drawn again and again with other hidden parts."""

from __future__ import annotations

import dataclasses

import numpy as np
from tqdm import tqdm

from qkd_gym.gnn.data import ViabilityGraph
from qkd_gym.gnn.hidden import REFERENCE, HiddenQuality, draw
from qkd_gym.topology import Topology
from qkd_gym.topology.generators import clustered, source_study

MAX_SITES = 50
# Dense graphs cost most and teach least that sparse ones do not.
_DENSE_SHARE, _DENSE_SITES = 0.2, 30
_REFERENCE_SHARE = 0.6


class TrainingMixture:
    """Draws training networks.

    Most are metro networks of 10 to 50 sites in the reference setting; some are dense, and some
    have other spreads, other shares of measured links, or active links seen just now.

    Args:
        topologies: Number of topologies to draw from.
        seed: Seed of everything.
    """

    def __init__(self, topologies: int, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 0])
        self.topologies = [
            self._topology() for _ in tqdm(range(topologies), desc="networks", leave=False)
        ]

    def _topology(self) -> Topology:
        if self.rng.random() < _DENSE_SHARE:
            made = source_study(int(self.rng.integers(10, _DENSE_SITES + 1)), self.rng)
        else:
            made = clustered(int(self.rng.integers(10, MAX_SITES + 1)), self.rng)
        _ = made.betweenness  # kept for all later draws
        return made

    def setting(self) -> HiddenQuality:
        """What is hidden and measured in the next network."""
        rng = self.rng
        if rng.random() < _REFERENCE_SHARE:
            return REFERENCE
        return dataclasses.replace(
            REFERENCE,
            site_misalignment=rng.uniform(0.0, 0.03),
            link_excess_loss_db=rng.uniform(0.0, 2.0),
            drift_std=rng.uniform(0.004, 0.012),
            measured_share=rng.uniform(0.1, 0.9),
            active_share=rng.uniform(0.0, 0.6),
        )

    def batch(self, size: int) -> list[ViabilityGraph]:
        """Some networks, never the same again."""
        chosen = self.rng.integers(len(self.topologies), size=size)
        return [draw(self.topologies[i], self.rng, self.setting()) for i in chosen]
