"""Keeps the filters of a batch of episodes, and draws hidden states from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief.demand import draw_demand
from qkd_gym.belief.faults import draw_ends, fault_laws
from qkd_gym.belief.filters import start, update
from qkd_gym.belief.quality import draw_quality
from qkd_gym.belief.records import FAULT, FAULT_ROW, Hidden, allocate, seen_in
from qkd_gym.belief.weather import draw_fog
from qkd_gym.network.compiled.memory import zeros
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.traffic import traffic_matrix


class Tracker:
    """What operators believe of the episodes of a simulator whose steps are intervals.

    Args:
        simulator: Has the episodes.

    Attributes:
        belief: What filters keep, with the episodes' leading axis.

    Raises:
        InvalidInput: If it needs too much memory.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        n, networks = simulator.n_sites, simulator.networks.size
        self.belief = allocate(len(simulator.arrays.episodes), n, simulator.max_links)
        self._seen = seen_in(simulator.arrays)
        self._sources = simulator.config.burst_sources
        shape = (networks, n, n)
        # Of the networks that were used; what is not written to takes no memory.
        self._traffic = zeros(f"bank_size is {networks}", traffic=(shape, np.float64))["traffic"]
        self._counts, self._tilt = np.empty(n * (n - 1) // 2), np.empty(n)

    def start(self, members: NDArray[np.int64]) -> None:
        """Begins anew with these episodes, which have just started."""
        sim = self._simulator
        self._know_networks(members)
        start(self.belief, self._seen, sim.bank, sim.params, self._traffic, self._sources, members)

    def go_on(self, members: NDArray[np.int64], *, is_known: bool = True) -> None:
        """Goes on with episodes whose state has been replaced.

        Args:
            members: Which ones.
            is_known: Whether `belief` has been replaced too; otherwise nothing is known of them
                until they start anew.
        """
        if not is_known:
            self.belief.is_kept[members] = False
        self._know_networks(members)

    def _know_networks(self, members: NDArray[np.int64]) -> None:
        """Prepares the traffic matrices of the networks of these episodes."""
        for g in np.unique(self._seen.network[members]).tolist():
            if not self._traffic[g].any():
                topology = self._simulator.networks.topology(g)
                self._traffic[g] = traffic_matrix(topology, self._simulator.config)

    def update(self) -> None:
        """Takes in what the past interval of every episode has shown."""
        sim = self._simulator
        update(
            self.belief, self._seen, sim.bank, sim.params, self._traffic, self._sources,
            self._counts, self._tilt,
        )  # fmt: skip

    def imagine(self, member: int, futures: int, rng: np.random.Generator) -> Hidden:
        """Draws hidden states that one episode may be in.

        Args:
            member: Episode, of which track has been kept.
            futures: How many draws, m.
            rng: Source of randomness.
        """
        sim, belief = self._simulator, self.belief
        p, g = sim.params[0], int(self._seen.network[member])
        n_links = int(sim.bank.networks["n_links"][g])
        ends = sim.bank.link_endpoints[g, :n_links].astype(np.int64)
        interval_s = float(p["interval_s"])
        now_s = interval_s * int(self._seen.interval[member])
        quality = belief.quality[member, :, :n_links]
        sites, losses, drift = draw_quality(quality, ends, p, sim.n_sites, now_s, futures, rng)
        faults = belief.faults[member, :, :, :n_links]
        outages, attacks = fault_laws(p, sim.bank.attack_cumulative[g, :n_links])
        outage_until_s, _ = draw_ends(
            faults[FAULT.outage], outages, now_s, interval_s, futures, rng
        )
        attack = faults[FAULT.attack]
        attack_until_s, is_seen = draw_ends(attack, attacks, now_s, interval_s, futures, rng)
        least = float(p["attack_fraction"])
        fraction = least + (1.0 - least) * rng.random(is_seen.shape)
        bursts, hot_spot = draw_demand(
            belief.bursts[member], belief.hot_spot[member], self._sources, futures, rng
        )
        return Hidden(
            misalignment=sites,
            fog=draw_fog(belief.fog[member], futures, rng),
            excess_loss_db=losses,
            drift=drift,
            outage_until_s=outage_until_s,
            attack_until_s=attack_until_s,
            attack_fraction=np.where(is_seen, attack[FAULT_ROW.fraction], fraction),
            bursts=bursts,
            hot_spot=hot_spot,
        )
