"""Scored schedules and paths: what a link, or serving a request over a path, is worth by weights
that search can find, in compiled code."""

from qkd_gym.scoring.agents import (
    find_scored,
    load_schedule,
    load_scored,
    save_scored,
    shipped_card,
    shipped_names,
    shipped_schedule,
    shipped_schedules,
    shipped_scored,
)
from qkd_gym.scoring.kinds import ScoredPolicy
from qkd_gym.scoring.paths.policy import ScoredPaths
from qkd_gym.scoring.policy import ScoredSchedule
from qkd_gym.scoring.weights import Weights

__all__ = [
    "ScoredPaths",
    "ScoredPolicy",
    "ScoredSchedule",
    "Weights",
    "find_scored",
    "load_schedule",
    "load_scored",
    "save_scored",
    "shipped_card",
    "shipped_names",
    "shipped_schedule",
    "shipped_schedules",
    "shipped_scored",
]
