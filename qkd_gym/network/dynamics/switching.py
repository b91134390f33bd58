"""Compiled control: switching links, and which of them a full site gives up."""

from __future__ import annotations

import numpy as np

from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.dynamics.blocks import interrupt_block
from qkd_gym.network.state import LINK_ROW, POOL_ROW, SITE_ROW, State

_ONE, _WORKS = np.float32(1.0), np.float32(0.1)


@inlined
def pool_fill(pool: int, capacity: float) -> np.float32:
    """Fill of a pool."""
    return np.float32(pool) * np.float32(1.0 / capacity)


@inlined
def link_need(links: np.ndarray, stored_share: np.float32, e: int | np.uint32) -> np.float32:
    """How much a link is wanted, in bit/s: unmet recent demand, if the link seems to work.

    A link counts as working if its estimated rate, the last one seen discounted by age towards
    the nominal rate, exceeds a tenth of nominal.

    Args:
        links: The episode's rows, (len(LINK_ROWS), E).
        stored_share: Fill of the link's pool.
        e: Link.
    """
    estimate = _ONE + links[LINK_ROW.freshness, e] * (links[LINK_ROW.observed_rate, e] - _ONE)
    unmet = links[LINK_ROW.demand_average, e] * (_ONE - stored_share)
    return links[LINK_ROW.blocked_average, e] + (unmet if estimate > _WORKS else np.float32(0.0))


@inlined
def is_protected(running_s: float, p: np.record) -> bool:
    """Whether a link was activated so recently that it is released last."""
    return running_s < p.protection_s


@inlined
def least_needed(
    held: np.ndarray, count: int, running_s: np.ndarray, need: np.ndarray, p: np.record
) -> np.uint32:
    """The link that a site gives up: the least needed, protected ones last.

    Args:
        held: Active links at the site, (M,).
        count: How many of them there are, at least one.
        running_s: Time since the activation of every link, (E,).
        need: `link_need` of the held links, at least (E,).
        p: Parameters.
    """
    best = np.uint32(held[0])
    for i in range(1, count):
        e = np.uint32(held[i])
        protected, best_protected = is_protected(running_s[e], p), is_protected(running_s[best], p)
        # No branches: nobody can foresee which link is needed less.
        less = (need[e] < need[best]) | ((need[e] == need[best]) & (e < best))
        better = (best_protected & (not protected)) | ((protected == best_protected) & less)
        best = e if better else best
    return best


@inlined
def _remove(links: np.ndarray, count: int, e: int) -> None:
    """Puts the last of ``count`` links in the place of ``e``."""
    at = 0
    for i in range(count):  # to the end, since nobody can foresee where it is
        at = i if links[i] == e else at
    links[at] = links[count - 1]


@inlined
def activate(s: State, bank: Bank, b: int, e: int, calibration_s: float, running_s: float) -> None:
    """Switches a link on; both its ends must have a free module."""
    episode = s.episodes[b]
    for side in range(2):
        site = bank.link_endpoints[episode.network, e, side]
        s.held[b, site, int(s.sites[b, SITE_ROW.modules_used, site])] = e
        s.sites[b, SITE_ROW.modules_used, site] += 1.0
    s.active[b, episode.n_active] = e
    episode.n_active += 1
    links = s.links[b]
    links[LINK_ROW.active, e] = 1.0
    links[LINK_ROW.calibration_left_s, e] = calibration_s
    links[LINK_ROW.running_time_s, e] = running_s


@inlined
def release(s: State, bank: Bank, p: np.record, b: int, e: int) -> None:
    """Switches a link off and frees its modules."""
    episode = s.episodes[b]
    interrupt_block(s.blocks[b], p.loses_blocks, e)
    for side in range(2):
        site = bank.link_endpoints[episode.network, e, side]
        _remove(s.held[b, site], int(s.sites[b, SITE_ROW.modules_used, site]), e)
        s.sites[b, SITE_ROW.modules_used, site] -= 1.0
    _remove(s.active[b], episode.n_active, e)
    episode.n_active -= 1
    links = s.links[b]
    links[LINK_ROW.active, e] = 0.0
    links[LINK_ROW.calibration_left_s, e] = 0.0
    links[LINK_ROW.running_time_s, e] = 0.0


@inlined
def free_module(s: State, bank: Bank, p: np.record, b: int, site: int, need: np.ndarray) -> None:
    """Releases a link at a site without a free module; ``need`` is scratch, (E,)."""
    links, pool = s.links[b], s.pools[b, POOL_ROW.pool]
    held, count = s.held[b, site], int(s.sites[b, SITE_ROW.modules_used, site])
    if count < p.modules:
        return
    for i in range(count):
        e = held[i]
        need[e] = link_need(links, pool_fill(pool[e], p.capacity), e)
    release(s, bank, p, b, least_needed(held, count, links[LINK_ROW.running_time_s], need, p))


@inlined
def toggle(s: State, bank: Bank, p: np.record, b: int, e: int, need: np.ndarray) -> None:
    """Applies a link action; the number of links means hold."""
    g = s.episodes[b].network
    if e == bank.link_endpoints.shape[1]:
        return
    if e < 0 or e >= bank.networks[g].n_links:
        s.accounts[b, ACCOUNT.illegal_actions] += 1
        return
    s.accounts[b, ACCOUNT.switches] += 1
    if s.links[b, LINK_ROW.active, e] > 0.0:
        release(s, bank, p, b, e)
        return
    for side in range(2):
        free_module(s, bank, p, b, bank.link_endpoints[g, e, side], need)
    activate(s, bank, b, e, p.calibration_s, 0.0)


@inlined
def switch_before_time_passes(
    s: State, bank: Bank, p: np.record, b: int, e: int, need: np.ndarray
) -> bool:
    """Applies a link action where more of them may follow in the same interval.

    No link is switched twice in an interval, so that a policy cannot go on for ever.

    Returns:
        Whether the interval passes now: after a hold or an illegal action, and once as many links
        have been switched on as an interval allows.
    """
    episode, switched = s.episodes[b], s.links[b, LINK_ROW.switched]
    if e < 0 or e >= bank.networks[episode.network].n_links:
        toggle(s, bank, p, b, e, need)
        return True
    if switched[e] > 0.0:
        s.accounts[b, ACCOUNT.illegal_actions] += 1
        return True
    toggle(s, bank, p, b, e, need)
    switched[e] = 1.0
    episode.switched_on += s.links[b, LINK_ROW.active, e] > 0.0
    return episode.switched_on >= p.switches_per_interval
