"""Scored schedules: what a link is worth by weights that search can find, in compiled code."""

from qkd_gym.scoring.agents import (
    find_schedule,
    load_schedule,
    save_schedule,
    shipped_schedule,
    shipped_schedules,
    shipped_summary,
)
from qkd_gym.scoring.policy import ScoredSchedule
from qkd_gym.scoring.weights import Weights

__all__ = [
    "ScoredSchedule",
    "Weights",
    "find_schedule",
    "load_schedule",
    "save_schedule",
    "shipped_schedule",
    "shipped_schedules",
    "shipped_summary",
]
