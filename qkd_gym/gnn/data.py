"""Networks whose links are labelled by whether they prove viable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.gnn.graphs import FeatureGraph, GraphBatch, join_graphs

HORIZON_S = 1800.0
VIABLE_SHARE = 0.4
_SAMPLES = 6


@dataclass(frozen=True)
class ViabilityGraph(FeatureGraph):
    """One network as an operator sees it, a `FeatureGraph`, and what becomes of its links.

    Attributes:
        viable: (E,) float32, 1 if over the next half hour the mean QBER stays below the threshold
            and the mean key rate above 40 % of nominal.
        rate_bps: (E,) mean secret key rate over that half hour.
        nominal_rate_bps: (E,) key rate that length and medium promise.
        qber: (E,) mean QBER over that half hour.
    """

    viable: NDArray[np.float32]
    rate_bps: NDArray[np.float64]
    nominal_rate_bps: NDArray[np.float64]
    qber: NDArray[np.float64]

    @property
    def rate_share(self) -> NDArray[np.float32]:
        """Key rate as a share of nominal, at most 1; (E,)."""
        nominal = np.where(self.nominal_rate_bps > 0.0, self.nominal_rate_bps, np.inf)
        return np.minimum(self.rate_bps / nominal, 1.0).astype(np.float32)


def join(graphs: Sequence[ViabilityGraph]) -> tuple[GraphBatch, Tensor]:
    """Several graphs as one without links between them, and whether each link is viable, (L,)."""
    viable = np.concatenate([graph.viable for graph in graphs])
    return join_graphs(graphs), torch.as_tensor(viable)


def simulate(
    n_sites: int,
    graphs: int,
    seed: int,
    split: str = "train",
    scenario: str = "hidden",
    members: Sequence[int] | None = None,
) -> list[ViabilityGraph]:
    """Runs the simulator on networks and labels their links by what happens next.

    Every graph is a network of its own at the start of an episode or up to half an hour into
    one, during which links were switched at random, so that measurements have many ages.

    Args:
        n_sites: Sites of the networks.
        graphs: Number of networks.
        seed: Seed of the episodes.
        split: Bank of networks.
        scenario: Scenario with hidden quality.
        members: Which of the networks to simulate; by default all. Each is the same whichever
            others are.
    """
    members = list(range(graphs) if members is None else members)
    bank = {"n_sites": n_sites, "split": split, "bank_size": graphs}
    core = Core(scenario, bank, len(members), LINK_ACTIVATION)
    core.generators = [_generator(seed, member) for member in members]
    core.start()
    rng = np.random.default_rng(seed)
    interval_s = float(core.simulator.params["interval_s"][0])
    horizon = round(HORIZON_S / interval_s)
    # One generator draws for all networks, those that others simulate too.
    warm_up = rng.integers(0, horizon, graphs)
    hold = core.simulator.max_links
    for step in range(int(warm_up.max())):
        wish = rng.random((graphs, core.masks.shape[1]))[members]
        choice = (wish * core.masks).argmax(axis=1)
        switches = (step < warm_up) & (rng.random(graphs) < 0.5)
        core.step(np.where(switches[members], choice, hold))
    seen = core.observe()
    looks = []
    for step in range(horizon):
        core.step(np.full(len(members), hold))
        if step % (horizon // _SAMPLES) == 0:
            looks.append(core.simulator.true_links())
    rates, qbers = np.mean(looks, axis=0)
    facts = core.simulator.bank.links[core.simulator.state.episodes["network"]]
    works = rates > VIABLE_SHARE * facts["nominal_rate_bps"]
    viable = (works & (qbers < facts["qber_threshold"])).astype(np.float32)
    return [
        ViabilityGraph(
            nodes=seen["nodes"][i],
            links=seen["links"][i, real],
            ends=seen["link_endpoints"][i, real].astype(np.int64),
            viable=viable[i, real],
            rate_bps=rates[i, real],
            nominal_rate_bps=facts["nominal_rate_bps"][i, real],
            qber=qbers[i, real],
        )
        for i, real in enumerate(seen["link_mask"].astype(bool))
    ]


def by_network(graphs: int, seed: int) -> list[int]:
    """The members of `simulate` in the order of the networks that they will draw.

    To build a network takes far longer than to simulate it, so members of the same one are best
    simulated by the same process.
    """
    return sorted(range(graphs), key=lambda member: _generator(seed, member).integers(graphs))


def _generator(seed: int, member: int) -> np.random.Generator:
    """Draws the network of an episode, and then its key."""
    return np.random.default_rng([seed, member])
