"""Where agents meet networks that they were not made for, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import resolve

# Of what rules are tuned for every setting, in the environment of the agents.
RULES = ("LinkScheduling:demand-deficit", "LinkScheduling:max-weight")
AGENTS = ("metro", "general", "portfolio", "adapted")


@dataclass(frozen=True)
class Setting:
    """Networks to play.

    Attributes:
        scenario: Their scenario.
        changes: Fields of the configuration to change.
    """

    scenario: str = "metro"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def config(self, split: str) -> NetworkConfig:
        """The configuration, with networks of a split."""
        return resolve(self.scenario, {**self.changes, "split": split})


@dataclass(frozen=True)
class Tuning:
    """How long a rule is tuned, see `qkd_gym.benchmark.tuning`; as most of those that ship.

    Attributes:
        episodes: Training episodes per trial.
        trials: Random points.
        sweeps: Passes over the parameters.
        decision_episodes: Further training episodes per finalist.
    """

    episodes: int = 32
    trials: int = 8
    sweeps: int = 1
    decision_episodes: int = 96


@dataclass(frozen=True)
class Comparison:
    """Agents that ship, searches on metro, and rules that are tuned for every setting.

    Attributes:
        title: Heading of its part of the page.
        column: Heading of the settings.
        settings: The settings by name.
        tuning: How long rules are tuned.
        episodes: Held-out episodes of a setting.
    """

    title: str
    column: str
    settings: Mapping[str, Setting]
    tuning: Tuning = Tuning()
    episodes: int = 100


_SIZES = ("metro-10", "metro-30", "metro-50")
# Kept aside from the searches of all agents that ship.
_REAL = ("vienna", "tokyo", "trieste", "polska-x0.2", "nsfnet-x0.05", "cost239-x0.05")
_POOLS_MB = {"10 Mb": 10, "30 Mb": 30, "100 Mb": 100, "300 Mb": 300, "1 Gb": 1000}

COMPARISONS = {
    "transfer": Comparison(
        "Other sizes and real networks",
        "networks",
        {name: Setting(name) for name in (*_SIZES, *_REAL)},
    ),
    "pools": Comparison(
        "Pools of other capacities",
        "metro with pools of",
        {
            name: Setting(changes={"pool_capacity_bits": 1_000_000 * size})
            for name, size in _POOLS_MB.items()
        },
    ),
}
