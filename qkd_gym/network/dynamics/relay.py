"""Compiled key relay: candidate paths, their prices, and serving a request hop by hop."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.compiled.elementary import exp_single
from qkd_gym.network.compiled.vectors import use_widest_vectors, whole
from qkd_gym.network.compiled.workspace import Workspace
from qkd_gym.network.dynamics.exposure import note_relays
from qkd_gym.network.state import LINK_ROW, POOL_ROW, SITE_ROW, State
from qkd_gym.planning.paths import pair_index as _pair_index

# Steepness of the exponential price, and its size beside the constant cost of a hop. Chosen on
# training episodes; the built-in router's quality is flat around them.
PRICE_STEEPNESS = 5.0
PRICE_WEIGHT = 10.0
_PRICE_SCALE = PRICE_WEIGHT / math.expm1(PRICE_STEEPNESS)
_FULL_PRICE, _EMPTY_PRICE = np.float32(1.0 - _PRICE_SCALE), np.float32(_PRICE_SCALE + PRICE_WEIGHT)
_STEEPNESS = np.float32(PRICE_STEEPNESS)


# In the place of a candidate path: the router chooses; and one that no request has.
BUILT_IN_ROUTER = -1
NO_PATH = 1 << 30

pair_index = inlined(_pair_index)


@inlined
def link_price(pool: int, capacity: int) -> np.float32:
    """Exponential price of drawing on a pool (Awerbuch, Azar and Plotkin, FOCS 1993): the
    emptier, the dearer, plus one for the hop."""
    share = np.float32(pool) * np.float32(1.0 / capacity)
    # exp(steepness (1 - share)) - 1 of weight / (exp(steepness) - 1).
    return _FULL_PRICE + _EMPTY_PRICE * exp_single(-_STEEPNESS * share)


PRICE = 0  # row of the scratch space while requests are routed, a number per link


@inlined
def price_links(pool: np.ndarray, n_links: int, capacity: int, work: Workspace) -> None:
    """Prepares `best_path`: prices of all links, and what their pools hold.

    Args:
        pool: Bits in the pools, (E,).
        n_links: How many of them count.
        capacity: Of each of them.
        work: Scratch space, whose rows hold more than E numbers. The one after the
            last, which fills up paths, costs nothing and holds enough.
    """
    use_widest_vectors()
    price, stored = work.rows[PRICE], work.stored
    for e in range(whole(n_links)):
        price[e] = link_price(pool[e], capacity)
    for e in range(whole(n_links)):
        stored[e] = pool[e]
    price[len(pool)], stored[len(pool)] = np.float32(0.0), np.inf


@inlined
def count_lacking(pool: np.ndarray, path: np.ndarray, hops: int, bits: int) -> int:
    """Number of links on a path whose pools lack the key.

    Args:
        pool: Bits in the pools, (E,).
        path: Links of the path, (H,).
        hops: How many of them count.
        bits: Requested key.
    """
    lacking = 0
    for h in range(hops):
        lacking += pool[path[h]] < bits
    return lacking


@inlined
def best_path(paths: np.ndarray, hops: np.ndarray, bits: int, work: Workspace) -> tuple[int, int]:
    """The candidate path that lacks key on the fewest links, the cheapest if several do.

    Args:
        paths: Links of the candidate paths, filled up with the number of links, (K, H).
        hops: Their lengths, (K,), 0 for no path.
        bits: Requested key.
        work: Scratch space after `price_links`.

    Returns:
        The path (-1 if there is none) and the number of its links that lack the key, then 1.
    """
    price, stored = work.rows[PRICE], work.stored
    longest = 0
    for k in range(len(hops)):
        longest = max(longest, hops[k])
    best, fewest, cheapest = -1, 2 * len(price), np.float32(0.0)
    for k in range(len(hops)):
        lacking, cost = 0, np.float32(0.0)
        # As many turns for every path: it is the turns' number that a processor guesses wrongly.
        for h in range(longest):
            e = np.uint16(paths[k, h])  # unsigned indices need no check for being negative
            lacking += stored[e] < bits
            cost += price[e]
        fewer = (lacking < fewest) | ((lacking == fewest) & (cost < cheapest))
        better = fewer & (hops[k] > 0)
        best = k if better else best
        fewest = lacking if better else fewest
        cheapest = cost if better else cheapest
    return best, fewest if best >= 0 else 1


@inlined
def draw_key(
    s: State,
    facts: np.ndarray,
    p: np.record,
    b: int,
    path: np.ndarray,
    hops: int,
    bits: int,
    work: Workspace,
) -> tuple[np.float32, np.float32]:
    """Takes the key from every pool of a path, and keeps what `price_links` has written true.

    Returns:
        The mean QBER of what was taken, as it is and in units of the protocols' thresholds.
    """
    links, pools = s.links[b], s.pools[b]
    qber, relative_qber = np.float32(0.0), np.float32(0.0)
    for h in range(hops):
        e = np.uint16(path[h])
        pools[POOL_ROW.pool, e] -= bits
        pools[POOL_ROW.left_ever, e] += bits
        work.rows[PRICE, e] = link_price(pools[POOL_ROW.pool, e], p.capacity)
        work.stored[e] = pools[POOL_ROW.pool, e]
        links[LINK_ROW.demand_now, e] += bits
        qber += links[LINK_ROW.pool_qber, e]
        relative_qber += links[LINK_ROW.pool_qber, e] / facts[e].qber_threshold
    return qber / np.float32(hops), relative_qber / np.float32(hops)


@inlined
def record_shortage(s: State, b: int, path: np.ndarray, hops: int, bits: int) -> None:
    """Remembers demand that a path could not serve, and which of its links lacked the key."""
    links, pool = s.links[b], s.pools[b, POOL_ROW.pool]
    for h in range(hops):
        e = path[h]
        links[LINK_ROW.demand_now, e] += bits
        if pool[e] < bits:
            links[LINK_ROW.blocked_now, e] += bits


@inlined
def is_asked(episode: np.record) -> bool:
    """Whether a request of this interval is still to be decided."""
    return episode.cursor < episode.n_held + episode.n_requests


@inlined
def current_request(s: State, b: int) -> np.record:
    """The request to be decided: those that have waited, oldest first, then the new ones."""
    episode = s.episodes[b]
    if episode.cursor < episode.n_held:
        return s.waiting[b, episode.cursor]
    return s.requests[b, episode.cursor - episode.n_held]


@inlined
def value_of(bank: Bank, request: np.record) -> float:
    """Worth of a bit of a request over that of the mean offered bit."""
    return bank.services[request.service].value if len(bank.services) > 0 else 1.0


@inlined
def serve_request(s: State, bank: Bank, p: np.record, b: int, k: int, work: Workspace) -> None:
    """Serves the current request over candidate path ``k``, has it wait if it may, or blocks it.

    A request that waits is asked again in the next interval, until its patience has run out.

    Args:
        s: State.
        bank: Networks.
        p: Parameters.
        b: Episode.
        k: Candidate path; the number of candidates refuses; `BUILT_IN_ROUTER` chooses the
            cheapest path that holds the key. A path that lacks the key is illegal.
        work: Scratch space; if the router chooses, `price_links` has filled it.
    """
    episode = s.episodes[b]
    g = episode.network
    pool = s.pools[b, POOL_ROW.pool]
    request, is_new = current_request(s, b), episode.cursor >= episode.n_held
    bits = request.bits
    value_bits = bits * value_of(bank, request)
    row = pair_index(request.first, request.second, bank.n_sites)
    paths, hops = bank.path_links[g, row], bank.path_hops[g, row]
    lacking, nearest = 1, -1
    if k == BUILT_IN_ROUTER:
        k, lacking = best_path(paths, hops, bits, work)
        nearest = k
    elif k < len(hops) and hops[k] > 0:
        lacking = count_lacking(pool, paths[k], hops[k], bits)
        s.accounts[b, ACCOUNT.illegal_actions] += lacking > 0
    elif k != len(hops):
        s.accounts[b, ACCOUNT.illegal_actions] += 1
    waits = lacking > 0 and episode.interval < request.until
    waits = waits and episode.n_waiting < s.waiting.shape[1]
    if lacking > 0 and nearest < 0 and not waits:
        price_links(pool, bank.networks[g].n_links, p.capacity, work)
        nearest, _ = best_path(paths, hops, bits, work)

    gain = (1.0 - p.demand_decay) / p.interval_s * bits
    demand, blocked = s.sites[b, SITE_ROW.demand_average], s.sites[b, SITE_ROW.blocked_average]
    if is_new:
        demand[request.first] += gain
        demand[request.second] += gain
        s.accounts[b, ACCOUNT.offered_bits] += bits
        episode.offered_value_bits += value_bits
        episode.waiting_bits += bits
    if lacking == 0:
        qber, relative_qber = draw_key(s, bank.links[g], p, b, paths[k], hops[k], bits, work)
        s.accounts[b, ACCOUNT.delivered_bits] += bits
        s.accounts[b, ACCOUNT.consumed_bits] += bits * hops[k]
        episode.stored -= bits * hops[k]
        episode.qber_bits += bits * qber
        episode.relative_qber_bits += bits * relative_qber
        episode.delivered_value_bits += value_bits
        if p.watches_relays:
            note_relays(s, bank, b, request.first, request.second, paths[k], hops[k], bits)
    elif waits:
        # What is written over has been decided: no more can wait than were asked.
        s.waiting[b, episode.n_waiting] = request
        episode.n_waiting += 1
    else:
        if nearest >= 0:
            record_shortage(s, b, paths[nearest], hops[nearest], bits)
        s.accounts[b, ACCOUNT.blocked_bits] += bits
        blocked[request.first] += gain
        blocked[request.second] += gain
    if not waits:
        episode.waiting_bits -= bits
        s.accounts[b, ACCOUNT.requests] += 1
    episode.cursor += 1
