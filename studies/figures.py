"""Figures of a study: means over training seeds, with 95 % intervals over seeds and episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import VALIDATION_SEED
from qkd_gym.evaluation.intervals import Interval, interval_over_both
from studies.forms import Study
from studies.training import Run, Validated

# The fixed reference of the package, then the same rule in the environment of what is trained.
REFERENCES = ("demand-deficit", "LinkScheduling:demand-deficit")


def figures(study: Study, runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Everything that the page says of a study, as plain values.

    Args:
        study: The study.
        runs: Of every form, a run per seed, all with the same seeds.
    """
    first = next(iter(runs.values()))
    rules = {name: reference(study, name) for name in REFERENCES}
    return {
        "scenario": study.scenario,
        "episodes": study.episodes,
        "cpu_minutes": sum(cpu_of(study, form, runs) for form in runs) / 60.0,
        "references": {name: float(np.nanmean(shares)) for name, shares in rules.items()},
        "forms": {form: of_form(runs[form], rules) for form in study.forms},
        "points_to_first": {form: to_first(runs[form], first) for form in study.forms},
    }


def cpu_of(study: Study, form: str, runs: Mapping[str, Sequence[Run]]) -> float:
    """CPU seconds of all trainings of a form, without those that they start from."""
    before = study.forms[form].starts_from
    spent = sum(run.validations[-1].cpu_s for run in runs[form])
    return spent - sum(run.validations[-1].cpu_s for run in runs[before]) if before else spent


def reference(study: Study, name: str) -> NDArray[np.float64]:
    """Delivered share of a rule in every validation episode."""
    network = {"scenario": study.scenario, "split": "validation"}
    result = evaluate(name, None, study.episodes, VALIDATION_SEED, **network)
    return result.metrics["delivered_share"]


def of_form(runs: Sequence[Run], rules: Mapping[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    """A row per validation: steps, CPU seconds, shares, and points to every rule."""
    steps = runs[0].steps
    assert all(run.steps == steps for run in runs)
    rows = []
    for number, step in enumerate(steps):
        at = [run.validations[number] for run in runs]
        shares = _array(at, "delivered_share")
        rows.append(
            {
                "steps": step,
                "cpu_s": float(np.mean([one.cpu_s for one in at])),
                "delivered_share": interval_over_both(shares),
                "mean_qber": interval_over_both(_array(at, "mean_qber")),
                "points": {
                    name: interval_over_both(100.0 * (shares - rule))
                    for name, rule in rules.items()
                },
                "points_by_seed": (100.0 * (shares - rules[REFERENCES[-1]])).mean(1).tolist(),
            }
        )
    return rows


def to_first(runs: Sequence[Run], first: Sequence[Run]) -> Interval:
    """Points of a form to the first one at the end, paired by training seed and episode."""
    ends = [[one.validations[-1] for one in each] for each in (runs, first)]
    shares, others = (_array(each, "delivered_share") for each in ends)
    return interval_over_both(100.0 * (shares - others))


def _array(validations: Sequence[Validated], name: str) -> NDArray[np.float64]:
    return np.array([getattr(one, name) for one in validations], np.float64)
