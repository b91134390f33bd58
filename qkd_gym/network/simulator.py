"""A batch of episodes: its arrays, its networks, and how episodes are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import require_integer
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.dynamics.disturbance import link_truth
from qkd_gym.network.parameters import kernel_params
from qkd_gym.network.state import NamedState, allocate, scratch_space


class Simulator:
    """The arrays of ``batch`` independent episodes of one configuration.

    `qkd_gym.envs.core.Core` starts and steps them.

    Args:
        config: The network and its dynamics.
        batch: Number of episodes side by side.
        decides_links: Whether a step may switch a link.
        decides_paths: Whether a step is one request, whose path it chooses; otherwise it is one
            decision interval, and the built-in router serves its requests.
        decides_releases: Whether links may be switched one after the other before an interval
            passes.

    Attributes:
        arrays: The state as compiled code sees it.
        state: Named views of the same arrays, with leading axis ``batch``.
        bank: The networks, as arrays; episode ``b`` runs on network
            ``state.episodes["network"][b]``.
        params: Scalars of the configuration as the kernel wants them, shape (1,).
        work: Scratch space of compiled code, for one caller at a time.

    Raises:
        InvalidInput: If the network cannot be built or has no such index, or if the episodes need
            too much memory.
    """

    def __init__(
        self,
        config: NetworkConfig,
        batch: int,
        *,
        decides_links: bool = True,
        decides_paths: bool = False,
        decides_releases: bool = False,
    ) -> None:
        self.config = config
        # Networks, which take long to build, are the same whoever attacks them.
        self.networks = shared_bank(config.replace(opponent="") if config.opponent else config)
        if config.network_index is not None:
            self.require_network(config.network_index)
        self.bank = self.networks.arrays
        self.n_sites, self.max_links = self.networks.n_sites, self.networks.max_links
        self.params = kernel_params(
            config,
            self.n_sites,
            decides_links=decides_links,
            decides_paths=decides_paths,
            decides_releases=decides_releases,
        )
        in_blocks = len(self.bank.sifted_per_block) > 0
        self.arrays = allocate(config, batch, self.n_sites, self.max_links, in_blocks=in_blocks)
        self.work = scratch_space(self.arrays)
        self.state = NamedState(self.arrays, self.n_sites, self.max_links)

    def require_network(self, index: Any) -> None:
        """Raises `InvalidInput` unless there is a network with this index."""
        require_integer("network_index", index, 0, self.networks.size - 1)

    def draw(
        self,
        episodes: Sequence[int] | NDArray[np.integer],
        generators: list[np.random.Generator],
        network_index: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
        """Draws the networks and keys of new episodes, and builds networks not used before.

        Args:
            episodes: Which members of the batch will start.
            generators: One generator per member of the batch; each start draws a network and a
                key from its own.
            network_index: Network of all these episodes, instead of the one that is drawn or that
                the configuration fixes; what the generators draw later does not depend on it.

        Returns:
            The members, their networks and keys, each of shape (len(episodes),).
        """
        members = np.asarray(episodes, dtype=np.int64)
        networks = np.empty(len(members), np.int64)
        keys = np.empty(len(members), np.uint64)
        fixed = self.config.network_index if network_index is None else network_index
        for i, b in enumerate(members.tolist()):
            networks[i] = generators[b].integers(self.networks.size)
            keys[i] = generators[b].integers(2**64, dtype=np.uint64)
        if fixed is not None:
            networks[:] = fixed
        self.build_networks(networks)
        return members, networks, keys

    def build_networks(self, indices: NDArray[np.integer]) -> None:
        """Builds the networks of these indices that have not been used before."""
        for index in np.unique(indices):
            self.networks.ensure(int(index))

    def true_links(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True key rate (bit/s) and QBER of every link now, both (batch, links).

        No policy may see this; it labels training data and feeds oracles.
        """
        shape = self.state.links.shape
        rate, qber = np.zeros(shape), np.full(shape, 0.5)
        link_truth(self.arrays, self.bank, self.params, rate, qber)
        return rate, qber
