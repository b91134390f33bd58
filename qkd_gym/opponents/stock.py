"""The opponents that ship."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_gym.opponents.view import Opponent, View


@dataclass(frozen=True)
class Random:
    """Attacks links that are open with equal chance: what others are compared with."""

    def predict(self, view: View) -> NDArray[np.floating]:
        """See `Opponent`."""
        return view.random


@dataclass(frozen=True)
class Betweenness:
    """Attacks the links that most of the shortest paths between sites use, whatever happens."""

    def predict(self, view: View) -> NDArray[np.floating]:
        """See `Opponent`."""
        return view.betweenness


@dataclass(frozen=True)
class Busiest:
    """Attacks the links of which most key has been asked recently."""

    def predict(self, view: View) -> NDArray[np.floating]:
        """See `Opponent`."""
        return view.traffic_bps


STOCK: dict[str, Opponent] = {
    "random": Random(),
    "betweenness": Betweenness(),
    "busiest": Busiest(),
}
