"""Compiled: what relays learn of the key that they pass on.

A trusted relay learns the key of every request over a single path through it. Of a request over
several paths it learns a share alone: who wants the key needs a relay on each of them.
"""

from __future__ import annotations

import numpy as np

from qkd_gym.jit import called
from qkd_gym.network.accounts import ACCOUNT
from qkd_gym.network.bank import Bank
from qkd_gym.network.state import SITE_ROW, State


@called
def note_relays(
    s: State, bank: Bank, b: int, first: int, second: int, path: np.ndarray, hops: int, bits: int
) -> None:
    """Counts a delivered request for its relays, and for those that are compromised.

    Args:
        s: State.
        bank: Networks.
        b: Episode.
        first: Site where all its paths begin.
        second: Site where they end.
        path: Links of the paths, one after the other.
        hops: Their number.
        bits: Its key.
    """
    ends = bank.link_endpoints[s.episodes[b].network]
    compromised, relayed = s.sites[b, SITE_ROW.compromised], s.sites[b, SITE_ROW.relayed]
    paths, caught, exposed = 0, False, True
    at = first
    for h in range(hops):
        at = _other_end(ends, path[h], at)
        caught = caught or (at != second and compromised[at] > 0.0)
        if at == second:
            paths, exposed = paths + 1, exposed and caught
            at, caught = first, False
    if exposed:
        s.accounts[b, ACCOUNT.compromised_bits] += bits
    if paths == 1:
        for h in range(hops - 1):
            at = _other_end(ends, path[h], at)
            relayed[at] += 1.0


@called
def _other_end(ends: np.ndarray, e: int, site: int) -> int:
    return ends[e, 0] if ends[e, 1] == site else ends[e, 1]


@called
def widest_relay(s: State, b: int) -> int:
    """Requests of the episode that the relay of the most of them has learnt, trusted or not."""
    most = 0.0
    for relayed in s.sites[b, SITE_ROW.relayed]:
        most = max(most, relayed)
    return int(most)
