"""The arrays of a batch of episodes. The leading axis B is always the environment.

Links and sites are one array each with a row per quantity, ``state.links[b, LINK_ROW.drift]`` of
shape (E,) in compiled code, so that loops over links are vector instructions and an episode's few
kilobytes lie together; outside, `NamedState` gives them by name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.accounts import ACCOUNT_NAMES
from qkd_gym.network.compiled.memory import padded, zeros
from qkd_gym.network.compiled.workspace import Workspace, new_workspace
from qkd_gym.network.config import NetworkConfig, interval_s
from qkd_gym.network.faults import EVENT, STRUCK_ROW, StruckRows, event_capacity
from qkd_gym.network.parameters import kernel_params, request_capacity, waiting_capacity
from qkd_gym.network.requests import REQUEST
from qkd_gym.network.reward import term_names

I64 = NDArray[np.int64]
F32 = NDArray[np.float32]
Records = NDArray[np.void]

EPISODE = np.dtype(
    [
        ("key", "u8"),  # of all random streams
        ("network", "i8"),  # index into the bank
        ("interval", "i8"),  # intervals that have passed
        ("day_sin", "f8"),  # of the angle of the time of day
        ("day_cos", "f8"),
        ("hot_spot", "i8"),  # site
        ("n_requests", "i8"),  # of this interval
        ("n_held", "i8"),  # requests that have waited for this interval and are asked again first
        ("cursor", "i8"),  # next of the held ones and then of the interval's
        ("n_waiting", "i8"),  # requests that wait for the next interval
        ("n_active", "i8"),  # active links
        ("switched_on", "i8"),  # links, since the last interval passed
        ("stored", "i8"),  # bits in all pools
        ("waiting_bits", "i8"),  # of requests that wait, for this interval or the next
        ("offered_value_bits", "f8"),  # offered bits times the value of their class, this step
        ("delivered_value_bits", "f8"),  # the same of delivered bits
        ("qber_bits", "f8"),  # delivered bits times mean QBER of their paths, this step
        ("relative_qber_bits", "f8"),  # the same with QBERs in units of their protocols' thresholds
    ]
)


class SiteRows(NamedTuple):
    """Rows of `State.sites`."""

    misalignment: int
    """Hidden part of the misalignment of the site's links."""
    fog: int
    """1 if the district with this index, not the site, is in fog."""
    modules_used: int
    """Modules that active links hold."""
    demand_average: int
    """Recent demand with the site as an end, bit/s."""
    blocked_average: int
    """Recent blocked demand with the site as an end, bit/s."""
    compromised: int
    """1 while an attacker reads what the site passes on."""
    relayed: int
    """Requests of the episode whose only path led through the site, where relays may be
    compromised."""


class LinkRows(NamedTuple):
    """Rows of `State.links`."""

    excess_loss_db: int
    """Hidden excess loss."""
    drift: int
    """Deviation of the misalignment from its mean."""
    outage_until_s: int
    """End of the last outage, since the start of the episode."""
    attack_until_s: int
    """End of the last attack, since the start of the episode."""
    attack_fraction: int
    """Share of the pulses that the attack intercepts."""
    active: int
    """1 while the link holds a module at each end."""
    switched: int
    """1 once the link was switched and no time has passed since, where that is possible."""
    calibration_left_s: int
    """Time until key flows."""
    running_time_s: int
    """Time since activation, 0 when inactive."""
    pool_qber: int
    """Mean QBER of the stored key."""
    observed_rate: int
    """Last observed key rate over the nominal one."""
    observed_qber: int
    """Last observed QBER over its protocol's threshold."""
    freshness: int
    """exp(-age of that observation / 1 h), 0 before the first."""
    demand_now: int
    """Demand in this interval, bits."""
    blocked_now: int
    """Demand of this interval that was blocked for want of this link's key, bits."""
    demand_average: int
    """Recent demand, bit/s."""
    blocked_average: int
    """Recent blocked demand, bit/s."""


class PoolRows(NamedTuple):
    """Rows of `State.pools`."""

    pool: int
    """Bits in the pool."""
    stored_ever: int
    """Bits ever put into it."""
    left_ever: int
    """Bits ever taken out of it, or destroyed."""


class BlockRows(NamedTuple):
    """Rows of `State.blocks`."""

    filled: int
    """Share of the block's sifted bits that are there, below 1."""
    key_bits: int
    """Key that these will yield once the block is full."""
    qber_bits: int
    """The same times the QBER at which it was made."""


SITE_ROW = SiteRows(*range(len(SiteRows._fields)))
LINK_ROW = LinkRows(*range(len(LinkRows._fields)))
POOL_ROW = PoolRows(*range(len(PoolRows._fields)))
BLOCK_ROW = BlockRows(*range(len(BlockRows._fields)))

BURST = np.dtype([("on", "i8"), ("first", "i8"), ("second", "i8")])


class State(NamedTuple):
    """Everything that changes during an episode. Rows are padded to whole vectors, see `padded`."""

    episodes: Records  # (B,) EPISODE
    sites: F32  # (B, len(SITE_ROW), N)
    links: F32  # (B, len(LINK_ROW), E)
    pools: I64  # (B, len(POOL_ROW), E)
    blocks: NDArray[np.float64]  # (B, len(BLOCK_ROW), E); E is 0 where no link has blocks
    active: NDArray[np.int32]  # (B, A) the first `n_active` are the active links
    held: NDArray[np.int32]  # (B, N, M) active links at each site, as many as modules are used
    bursts: Records  # (B, S) BURST
    events: Records  # (B, M) EVENT of the scenario's faults
    struck: F32  # (B, len(STRUCK_ROW), E) what they do to links; (B, ..., 0) without faults
    requests: Records  # (B, R) REQUEST of this interval, in the order of their arrival
    waiting: Records  # (B, W) REQUEST, those asked again in this interval or in the next
    stored_history: I64  # (B, E, lifetime + 1) `stored_ever` at past intervals
    accounts: I64  # (B, len(ACCOUNT_NAMES)) of the last step
    reward_terms: NDArray[np.float64]  # (B, terms of the reward) of the last step


def allocate(
    config: NetworkConfig, batch: int, n_sites: int, max_links: int, *, in_blocks: bool
) -> State:
    """Zeroed state for ``batch`` episodes.

    Args:
        config: The configuration.
        batch: Number of episodes.
        n_sites: Number of sites.
        max_links: Most links of a network.
        in_blocks: Whether some link makes its key in blocks.

    Raises:
        InvalidInput: If it needs too much memory.
    """
    lifetime, dt = int(kernel_params(config, n_sites)["lifetime"][0]), interval_s(n_sites)
    modules = min(config.modules_per_site, max_links)
    most_active = min(max_links, n_sites * modules // 2)
    arrays = zeros(
        f"num_envs is {batch} and key_lifetime_s {config.key_lifetime_s:g}",
        episodes=((batch,), EPISODE),
        sites=((batch, len(SITE_ROW), padded(n_sites)), np.float32),
        links=((batch, len(LINK_ROW), padded(max_links)), np.float32),
        pools=((batch, len(POOL_ROW), padded(max_links)), np.int64),
        blocks=((batch, len(BLOCK_ROW), padded(max_links) if in_blocks else 0), np.float64),
        active=((batch, padded(most_active)), np.int32),
        held=((batch, n_sites, modules), np.int32),
        bursts=((batch, config.burst_sources), BURST),
        events=((batch, event_capacity(config.faults, dt, max(n_sites, max_links))), EVENT),
        struck=((batch, len(STRUCK_ROW), padded(max_links) if config.faults else 0), np.float32),
        requests=((batch, request_capacity(config, n_sites)), REQUEST),
        waiting=((batch, waiting_capacity(config, n_sites)), REQUEST),
        stored_history=((batch, max_links, lifetime + 1 if lifetime else 0), np.int64),
        accounts=((batch, len(ACCOUNT_NAMES)), np.int64),
        reward_terms=((batch, len(term_names(config.reward_weights))), np.float64),
    )
    return State(**arrays)


def scratch_space(s: State) -> Workspace:
    """Scratch space for the episodes of a state, for one thread at a time."""
    return new_workspace(max(s.links.shape[2], s.sites.shape[2], s.requests.shape[1]))


class Columns:
    """Arrays under their names, ``columns["drift"]``, that can be indexed together."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self.shape = next(iter(arrays.values())).shape

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._arrays[key]
        return Columns({name: array[key] for name, array in self._arrays.items()})


class NamedState:
    """The arrays of a state by the names of their rows: views, so writing to them is allowed.

    Attributes:
        episodes: (B,) EPISODE records.
        sites: Columns of `SiteRows`, each (B, N).
        links: Columns of `LinkRows` and `PoolRows`, each (B, E).
        blocks: Columns of `BlockRows`, each (B, E), or (B, 0) where no link has blocks.
        bursts: (B, S) BURST records.
        events: (B, M) EVENT records.
        struck: Columns of `StruckRows`, each (B, E), or (B, 0) without faults.
        requests: (B, R) REQUEST records.
        accounts: (B, len(ACCOUNT_NAMES)) accounts of the last step.
    """

    def __init__(self, state: State, n_sites: int, max_links: int) -> None:
        self.episodes, self.bursts, self.events = state.episodes, state.bursts, state.events
        self.requests, self.accounts = state.requests, state.accounts
        sites = {name: state.sites[:, i, :n_sites] for i, name in enumerate(SiteRows._fields)}
        links = {name: state.links[:, i, :max_links] for i, name in enumerate(LinkRows._fields)}
        pools = {name: state.pools[:, i, :max_links] for i, name in enumerate(PoolRows._fields)}
        blocks = {name: state.blocks[:, i, :max_links] for i, name in enumerate(BlockRows._fields)}
        struck = {name: state.struck[:, i, :max_links] for i, name in enumerate(StruckRows._fields)}
        self.sites, self.links = Columns(sites), Columns(links | pools)
        self.blocks, self.struck = Columns(blocks), Columns(struck)
