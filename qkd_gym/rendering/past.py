"""What a picture tells of an episode's past, which the state of a simulator does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.simulator import Simulator
from qkd_gym.planning.paths import pair_index


class Request(NamedTuple):
    """A key request and what became of it.

    Attributes:
        ends: Its two sites.
        bits: Requested key.
        path: Links that were chosen for it, none if it was refused.
        outcome: ``"delivered"``, ``"blocked"`` or ``"waits"``.
    """

    ends: tuple[int, int]
    bits: int
    path: tuple[int, ...]
    outcome: str


class Sums(NamedTuple):
    """Key of an episode so far, in bits."""

    offered: float = 0.0
    delivered: float = 0.0
    blocked: float = 0.0

    @property
    def delivered_share(self) -> float:
        """Delivered over offered key; NaN before the first request."""
        return self.delivered / self.offered if self.offered else float("nan")

    @property
    def blocked_share(self) -> float:
        """Blocked over offered key; NaN before the first request."""
        return self.blocked / self.offered if self.offered else float("nan")


class Past:
    """What has happened in each of B episodes, which their state does not tell.

    Args:
        batch: B.

    Attributes:
        requests: The request of each episode's last step, where a step decides one.
    """

    def __init__(self, batch: int) -> None:
        self._keys = np.zeros(batch, np.uint64)  # of the random streams, another in every episode
        self._sums = np.zeros((batch, len(Sums._fields)))
        self._asked: list[tuple[int, int, int] | None] = [None] * batch
        self.requests: list[Request | None] = [None] * batch

    def start(self, simulator: Simulator, members: Sequence[int] | NDArray[np.integer]) -> None:
        """Forgets what was before the present moment of these members."""
        for member in members:
            self._keys[member] = simulator.arrays.episodes["key"][member]
            self._sums[member] = 0.0
            self.requests[member] = None
            self._asked[member] = _request(simulator, int(member))

    def add(
        self, simulator: Simulator, accounts: NDArray[np.int64], paths: NDArray[np.integer]
    ) -> None:
        """Adds a step of all members; those that are in another episode now begin anew.

        Args:
            simulator: The episodes.
            accounts: Accounts of the step, (len(ACCOUNT), B).
            paths: Path that was chosen in each episode, (B,), not read where none is.
        """
        rows = [ACCOUNT.offered_bits, ACCOUNT.delivered_bits, ACCOUNT.blocked_bits]
        step = accounts[rows].T
        self._sums += step
        for member, asked in enumerate(self._asked):
            if asked is not None:
                _, delivered, blocked = step[member]
                outcome = "delivered" if delivered else "blocked" if blocked else "waits"
                path = _path(simulator, member, asked, int(paths[member]))
                self.requests[member] = Request(asked[:2], asked[2], path, outcome)
            self._asked[member] = _request(simulator, member)
        self.start(simulator, np.flatnonzero(self._keys != simulator.arrays.episodes["key"]))

    def sums(self, member: int) -> Sums:
        """Key of an episode so far."""
        return Sums(*self._sums[member].tolist())


def _request(simulator: Simulator, member: int) -> tuple[int, int, int] | None:
    """The request that waits for a decision, if a step decides one: its sites and bits."""
    arrays: Any = simulator.arrays
    episode = arrays.episodes[member]
    asked = episode["cursor"] < episode["n_held"] + episode["n_requests"]
    if not simulator.params["decides_paths"][0] or not asked:
        return None
    if episode["cursor"] < episode["n_held"]:
        request = arrays.waiting[member, episode["cursor"]]
    else:
        request = arrays.requests[member, episode["cursor"] - episode["n_held"]]
    return int(request["first"]), int(request["second"]), int(request["bits"])


def _path(
    simulator: Simulator, member: int, asked: tuple[int, int, int], choice: int
) -> tuple[int, ...]:
    """The links of a candidate path; none where the choice is no such path."""
    bank = simulator.bank
    network = int(simulator.state.episodes["network"][member])
    row = pair_index(*asked[:2], bank.n_sites)
    hops = bank.path_hops[network, row]
    if not 0 <= choice < len(hops):
        return ()
    return tuple(bank.path_links[network, row, choice, : hops[choice]].tolist())
