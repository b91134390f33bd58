"""A batch of episodes: the arrays, and the few Python calls that drive the compiled kernel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.network import kernel, reset
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.disturbance import link_truth
from qkd_gym.network.state import allocate, kernel_params
from qkd_gym.network.threads import BatchRunner


class Simulator:
    """Steps ``batch`` independent episodes of one configuration.

    Args:
        config: The network and its dynamics.
        batch: Number of episodes side by side.
        decides: What a step decides: `kernel.ACTIVATION`, `kernel.ROUTING` or `kernel.BOTH`.

    Attributes:
        state: Named tuple of structured arrays with leading axis ``batch``.
        bank: The networks, as arrays; episode ``b`` runs on network
            ``state.episodes["network"][b]``.
        params: Scalars of the configuration as the kernel wants them, shape (1,).
        run: Runs compiled functions over the batch, on threads if it is large.
    """

    def __init__(self, config: NetworkConfig, batch: int, decides: int) -> None:
        self.config = config
        self.networks = shared_bank(config)
        self.bank = self.networks.arrays
        self.n_sites, self.max_links = self.networks.n_sites, self.networks.max_links
        self.params = kernel_params(config, self.n_sites)
        self.state = allocate(config, batch, self.n_sites, self.max_links)
        self.decides = decides
        self.run = BatchRunner(batch)
        self._idle = np.zeros(batch, dtype=np.int64)

    def reset(self, episodes: Iterable[int], generators: list[np.random.Generator]) -> None:
        """Starts new episodes.

        Args:
            episodes: Which members of the batch to start.
            generators: One generator per member of the batch; each start draws a network and a
                key from its own.
        """
        for b in episodes:
            index = int(generators[b].integers(self.networks.size))
            if self.config.network_index is not None:
                index = self.config.network_index
                if index >= self.networks.size:
                    raise InvalidInput(
                        f"network_index is {index}, but must be in [0, {self.networks.size - 1}]."
                    )
            self.networks.ensure(index)
            for records in self.state:
                records[b] = np.zeros((), records.dtype)
            self.state.episodes["network"][b] = index
            self.state.episodes["key"][b] = generators[b].integers(2**64, dtype=np.uint64)
            reset.reset_one(self.state, self.bank, self.params, b, self.decides)

    def step(self, paths: NDArray[np.int64] | None, links: NDArray[np.int64] | None) -> None:
        """Steps all episodes.

        Args:
            paths: Candidate path for the waiting request, shape (batch,); None if not decided.
            links: Link to toggle, shape (batch,); None if not decided.
        """
        self.run(
            kernel.step_range,
            self.state,
            self.bank,
            self.params,
            self.decides,
            self._idle if paths is None else paths,
            self._idle if links is None else links,
        )

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Whether each episode has reached its end, shape (batch,)."""
        episodes = self.state.episodes
        over = episodes["interval"] >= self.params["intervals"][0]
        if self.decides != kernel.ACTIVATION:
            over &= episodes["cursor"] >= episodes["n_requests"]
        return np.asarray(over)

    def true_links(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True key rate (bit/s) and QBER of every link now, both (batch, links).

        No policy may see this; it labels training data and feeds oracles.
        """
        shape = self.state.links.shape
        rate, qber = np.zeros(shape), np.full(shape, 0.5)
        link_truth(self.state, self.bank, self.params, rate, qber)
        return rate, qber
