"""Single-photon detectors."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_gym.errors import require_between


@dataclass(frozen=True)
class Detector:
    """A threshold detector; a receiver has two of them, one per bit value.

    Attributes:
        efficiency: Probability that an arriving photon makes a click.
        dark_count_probability: Probability of a click without light, per detector and gate.
    """

    efficiency: float = 0.1
    dark_count_probability: float = 1e-6

    def __post_init__(self) -> None:
        require_between("efficiency", self.efficiency, 0.0, 1.0, low_open=True)
        require_between(
            "dark_count_probability", self.dark_count_probability, 0.0, 1.0, high_open=True
        )
