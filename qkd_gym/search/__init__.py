"""Direct search for the weights of scored schedules, and the agents that came of it."""

from qkd_gym.search.agents import (
    find_schedule,
    load_schedule,
    shipped_schedule,
    shipped_schedules,
    shipped_summary,
)

__all__ = [
    "find_schedule",
    "load_schedule",
    "shipped_schedule",
    "shipped_schedules",
    "shipped_summary",
]
