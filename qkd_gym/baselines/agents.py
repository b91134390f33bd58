"""The agents that the package ships: scorers that come as files, and those that rehearse."""

from __future__ import annotations

from qkd_gym.baselines.adapted import Adapted
from qkd_gym.baselines.portfolio import Portfolio
from qkd_gym.scoring import ScoredPolicy, shipped_card, shipped_names, shipped_scored

# They come to a schedule on the networks that they are shown.
REHEARSING: dict[str, type[Portfolio]] = {kind.name: kind for kind in (Portfolio, Adapted)}


def available_agents() -> tuple[str, ...]:
    """Names of the agents that the package ships."""
    return (*shipped_names(), *REHEARSING)


def shipped_agent(name: str) -> ScoredPolicy | Portfolio:
    """An agent that the package ships.

    Raises:
        InvalidInput: If there is none of that name.
    """
    return REHEARSING[name]() if name in REHEARSING else shipped_scored(name)


def agent_summary(name: str) -> str:
    """What an agent that the package ships is, in one line.

    Raises:
        InvalidInput: If there is none of that name.
    """
    return REHEARSING[name].summary if name in REHEARSING else shipped_card(name).summary
