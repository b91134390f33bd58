"""What an opponent sees, and what it answers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]


class View(NamedTuple):
    """What an eavesdropper sees of n episodes with up to E candidate links, at the same time.

    Light in a fibre can be seen from its outside. Everything else is from the classical channel,
    which is authenticated and not secret: key managers signal requests in the clear, relayed key
    passes as ciphertext of its own length, and both ends of a link tell each other to how many bits
    they shorten each block. Neither pools nor what is hidden from the operator are part of it.

    Attributes:
        elapsed_s: Time since the start of the episode, (n,).
        is_link: Whether there is such a link; the others are padding, (n, E).
        endpoints: Sites of each link, (n, E, 2).
        length_km: Length, (n, E).
        betweenness: Share of the pairs of sites whose first candidate path uses the link, (n, E).
        is_lit: Whether the link carries light, calibrating or making key, (n, E).
        lit_s: Time since it was switched on, 0 of links that are dark, (n, E).
        key_rate_bps: Secret key that the link has made in the last interval, in bit/s, (n, E).
        traffic_bps: Key that was recently asked of the link, served or not, in bit/s: an
            exponential average over ``demand_memory_s``, (n, E).
        attack_left_s: How long the opponent's own attack on the link still lasts, (n, E).
        is_open: Whether an attack on the link can begin now: it has been lit for the opponent's
            delay and is not under its attack, (n, E).
        random: Uniform draws from [0, 1), of a stream of the episode's own, (n, E).
    """

    elapsed_s: F64
    is_link: Flags
    endpoints: NDArray[np.uint16]
    length_km: F32
    betweenness: F64
    is_lit: Flags
    lit_s: F32
    key_rate_bps: F32
    traffic_bps: F32
    attack_left_s: F32
    is_open: Flags
    random: F64


class Opponent(Protocol):
    """Chooses which links to attack.

    It remembers nothing from call to call, and draws nothing: what it needs of the past, and of
    chance, is in the view. So the same seed is the same episode, alone, beside others, and after a
    snapshot.
    """

    def predict(self, view: View) -> NDArray[np.floating]:
        """How much it wants to attack each link.

        Args:
            view: Of n episodes, in any order; each is to be answered for itself.

        Returns:
            A number per link, (n, E). Of the links that are open, those with the largest numbers
            above zero are attacked, as many as the budget has left; of equal ones the first.
        """
