"""What a picture of an episode shows, apart from how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.simulator import Simulator
from qkd_gym.rendering.past import Past, Request, Sums
from qkd_gym.topology import Topology


class LinkState(IntEnum):
    """What a candidate link does."""

    INACTIVE = 0
    ACTIVE = 1
    CALIBRATING = 2
    FAILED = 3  # active and calibrated, but it makes no key


class KnownFaults(NamedTuple):
    """What the operator knows of the faults of e links; NaN where there is nothing to know.

    Attributes:
        alarm_s: (e,) time since the first alarm that lasts.
        window_in_s: (e,) time until the first announced window begins, 0 while it lasts.
        window_left_s: (e,) time until that one ends.
    """

    alarm_s: NDArray[np.float64]
    window_in_s: NDArray[np.float64]
    window_left_s: NDArray[np.float64]

    @property
    def alarmed(self) -> NDArray[np.bool_]:
        """Whether a link has an alarm, (e,)."""
        return ~np.isnan(self.alarm_s)

    @property
    def announced(self) -> NDArray[np.bool_]:
        """Whether a link has an announced window, (e,)."""
        return ~np.isnan(self.window_left_s)


@dataclass(frozen=True)
class Scene:
    """One moment of one episode, for n sites and e links.

    Attributes:
        topology: The network.
        modules_used: (n,) modules held by active links.
        modules: Modules of each site.
        state: (e,) a `LinkState` each.
        pool_bits: (e,) stored key.
        pool_capacity_bits: What a pool holds.
        qber: (e,) last measured QBER, NaN if there was none.
        qber_limit: (e,) QBER above which the link's protocol yields no key.
        rate_bps: (e,) last measured key rate, NaN if there was none.
        elapsed_s: Time since the start of the episode.
        episode_s: Length of the episode.
        sums: Offered, delivered and blocked key so far.
        decides_paths: Whether a step decides a request.
        request: The request of the last step, if it decided one.
        faults: What the operator knows of faults; None where the scenario has none.
    """

    topology: Topology
    modules_used: NDArray[np.int64]
    modules: int
    state: NDArray[np.int8]
    pool_bits: NDArray[np.int64]
    pool_capacity_bits: int
    qber: NDArray[np.float64]
    qber_limit: NDArray[np.float64]
    rate_bps: NDArray[np.float64]
    elapsed_s: float
    episode_s: float
    sums: Sums
    decides_paths: bool
    request: Request | None = None
    faults: KnownFaults | None = None

    @property
    def pool_fill(self) -> NDArray[np.float64]:
        """Stored key over capacity, (e,)."""
        return self.pool_bits / self.pool_capacity_bits

    def count(self, state: LinkState) -> int:
        """Number of links in a state."""
        return int(np.count_nonzero(self.state == state))


def scene_of(simulator: Simulator, member: int = 0, past: Past | None = None) -> Scene:
    """The present state of one episode of a simulator.

    Args:
        simulator: The episodes.
        member: Which of them.
        past: What has happened in them; without it all sums are zero.
    """
    state: Any = simulator.state
    index = int(state.episodes["network"][member])
    topology = simulator.networks.topology(index)
    links = state.links[member, : topology.n_links]
    facts: Any = simulator.bank.links[index, : topology.n_links]
    calibrating = links["calibration_left_s"] > 0.0
    silent = (links["freshness"] == 1.0) & (links["observed_rate"] == 0.0)
    kind = np.where(silent, LinkState.FAILED, LinkState.ACTIVE)
    kind = np.where(calibrating, LinkState.CALIBRATING, kind)
    measured = np.where(links["freshness"] > 0.0, 1.0, np.nan)
    return Scene(
        topology=topology,
        modules_used=state.sites["modules_used"][member].astype(np.int64),
        modules=simulator.config.modules_per_site,
        state=np.where(links["active"] > 0.0, kind, LinkState.INACTIVE).astype(np.int8),
        pool_bits=links["pool"].copy(),
        pool_capacity_bits=simulator.config.pool_capacity_bits,
        qber=measured * links["observed_qber"] * facts["qber_threshold"],
        qber_limit=facts["qber_threshold"].astype(np.float64),
        rate_bps=measured * links["observed_rate"] * facts["nominal_rate_bps"],
        elapsed_s=float(state.episodes["interval"][member] * simulator.params["interval_s"][0]),
        episode_s=float(simulator.config.episode_s),
        sums=past.sums(member) if past else Sums(),
        decides_paths=bool(simulator.params["decides_paths"][0]),
        request=past.requests[member] if past else None,
        faults=_known_faults(state.struck[member, : topology.n_links]),
    )


def _known_faults(struck: Any) -> KnownFaults | None:
    """What the operator knows of the faults of some links, if the scenario has any."""
    if not struck.shape[0]:
        return None
    alarm, window = (np.where(struck[name] > 0.0, 1.0, np.nan) for name in ("alarm", "window"))
    return KnownFaults(
        alarm * struck["alarm_s"], window * struck["window_in_s"], window * struck["window_left_s"]
    )
