"""Baselines and scored schedules by the names that recipes call them by.

A name is that of a baseline, ``agent:NAME`` for a scored schedule that the package ships, or the
path of a schedule's ``.json`` file.
"""

from __future__ import annotations

from pathlib import Path

from qkd_gym.baselines import make_policy
from qkd_gym.baselines.policy import Policy
from qkd_gym.scoring import ScoredSchedule, load_schedule, shipped_schedule
from qkd_gym.scoring.agents import PREFIX


def named_schedule(name: str) -> ScoredSchedule | None:
    """The scored schedule of a name; None if it can only be that of a baseline.

    Raises:
        InvalidInput: If no agent of that name is shipped, or the file is missing or damaged.
    """
    if name.startswith(PREFIX):
        return shipped_schedule(name.removeprefix(PREFIX))
    return load_schedule(Path(name), name) if name.endswith(".json") else None


def named_policy(name: str) -> Policy:
    """The scored schedule or the baseline of a name.

    Raises:
        InvalidInput: If there is neither.
    """
    return named_schedule(name) or make_policy(name)


def named_digest(name: str) -> str:
    """Changes with the weights of a scored schedule, as hexadecimal digits; empty for others.

    Raises:
        InvalidInput: As `named_schedule`.
    """
    schedule = named_schedule(name)
    if schedule is None:
        return ""
    return schedule.digest()
