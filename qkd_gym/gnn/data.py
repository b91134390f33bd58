"""Training data for link viability, from simulated networks with hidden quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_gym.envs.core import ACTIVATION, Core
from qkd_gym.gnn.graphs import GRAPH_KEYS, GraphBatch, batch_graphs

HORIZON_S = 1800.0
VIABLE_SHARE = 0.4
_SAMPLES = 6


@dataclass(frozen=True)
class ViabilityData:
    """Padded observations of one size of network, and whether each link proved viable.

    Attributes:
        observation: ``nodes``, ``links``, ``link_endpoints`` and ``link_mask`` of G graphs.
        viable: (G, E) float32, 1 if over the next half hour the mean QBER stayed below the
            threshold and the mean key rate above 40 % of nominal.
    """

    observation: dict[str, NDArray[np.float32]]
    viable: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.viable)

    def batch(self, rows: NDArray[np.int64]) -> tuple[GraphBatch, Tensor]:
        """Some of the graphs as one, and the labels of their links."""
        tensors = {key: torch.as_tensor(self.observation[key][rows]) for key in GRAPH_KEYS}
        graphs = batch_graphs(tensors)
        return graphs, torch.as_tensor(self.viable[rows]).flatten()[graphs.slots]


def simulate(
    n_sites: int, graphs: int, seed: int, split: str = "train", scenario: str = "hidden"
) -> ViabilityData:
    """Simulates networks and labels their links by what happens next.

    Every graph is a network of its own at the start of an episode or up to half an hour into
    one, during which links were switched at random, so that measurements have many ages.

    Args:
        n_sites: Sites of the networks.
        graphs: Number of graphs.
        seed: Seed of the episodes.
        split: Bank of networks.
        scenario: Scenario with hidden quality.
    """
    core = Core(scenario, {"n_sites": n_sites, "split": split, "bank_size": graphs}, graphs, 0)
    assert core.decides == ACTIVATION
    core.generators = [np.random.default_rng([seed, i]) for i in range(graphs)]
    core.reset(range(graphs))
    rng = np.random.default_rng(seed)
    core.observe()
    interval_s = float(core.simulator.params["interval_s"][0])
    warm_up = rng.integers(0, round(HORIZON_S / interval_s), graphs)
    hold = core.simulator.max_links
    for step in range(int(warm_up.max())):
        choice = (rng.random(core.masks.shape) * core.masks).argmax(axis=1)
        core.step(np.where((step < warm_up) & (rng.random(graphs) < 0.5), choice, hold))
        core.observe()
    observed = {key: array.astype(np.float32) for key, array in core.observe().items()}
    viable = _follow(core, round(HORIZON_S / interval_s), hold)
    return ViabilityData({key: observed[key] for key in GRAPH_KEYS}, viable)


def _follow(core: Core, steps: int, hold: int) -> NDArray[np.float32]:
    """Lets the horizon pass and judges every link by its mean rate and QBER."""
    state, bank = core.simulator.state, core.simulator.bank
    rates, qbers = [], []
    for step in range(steps):
        core.step(np.full(core.batch, hold))
        if step % (steps // _SAMPLES) == 0:
            rate, qber = core.simulator.true_links()
            rates.append(rate)
            qbers.append(qber)
    facts = bank.links[state.episodes["network"]]
    works = np.mean(rates, axis=0) > VIABLE_SHARE * facts["nominal_rate_bps"]
    return (works & (np.mean(qbers, axis=0) < facts["qber_threshold"])).astype(np.float32)
