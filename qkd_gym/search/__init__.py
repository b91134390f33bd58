"""Direct search for the weights of scored schedules, and the agents that came of it."""

from qkd_gym.search.agents import load_schedule, shipped_schedule, shipped_schedules

__all__ = ["load_schedule", "shipped_schedule", "shipped_schedules"]
