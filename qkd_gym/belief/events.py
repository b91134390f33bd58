"""Events of a scenario's faults as an operator imagines them: those that are known, and their ends.

What has raised no alarm and was not announced is imagined not to be there; what it does to the QBER
of a link, an operator puts down to the link. Of an event with an alarm the onset is known, and its
end is drawn again; of an announced one both are known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.network.state import Records


def imagine_events(
    events: Records, faults: Records, now_s: float, rng: np.random.Generator
) -> NDArray[Any]:
    """What is known of events, their ends drawn from it.

    Args:
        events: EVENT records of rows with the same present, (rows, M).
        faults: FAULT records of the scenario, (F,).
        now_s: Time since the start of the episode.
        rng: Source of randomness.

    Returns:
        EVENT records, (rows, M); what is imagined not to be there is over.
    """
    imagined = events.copy()
    fault = faults[events["fault"]]
    lasts, age_s = events["until_s"] > now_s, now_s - events["onset_s"]
    is_announced = lasts & (fault["announced_s"] > 0.0)
    has_alarm = lasts & (age_s >= fault["detection_s"])
    left_s = np.maximum(fault["duration_min_s"] - age_s, 0.0)
    left_s += rng.exponential(fault["duration_mean_s"])
    until_s = np.where(has_alarm, now_s + left_s, 0.0)
    imagined["until_s"] = np.where(is_announced, events["until_s"], until_s)
    return imagined
