"""Expert iteration of scored schedules, by one command: ``python -m studies.expert``.

A schedule plays training episodes; some of its decisions are labelled with what other first
switches lead by on many futures; its weights are fitted to the labels; and the fit becomes the
schedule if it delivers more on other training episodes. Labels and finished trainings are kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.errors import require_between, require_integer
from qkd_gym.evaluation import bootstrap_interval, evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.intervals import interval_over_both
from qkd_gym.files import require_writable_folder, write_bytes, write_json
from qkd_gym.network.scenarios import resolve
from qkd_gym.reading import read_json
from qkd_gym.scoring import ScoredSchedule, shipped_schedule
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.scoring.weights import Weights, starting_weights
from qkd_gym.workers import WorkerCount, add_workers, start_workers
from studies.__main__ import NAME as PAGE
from studies.command import add_out, command_line, run_command
from studies.expert_page import NAME
from studies.figures import REFERENCES
from studies.fit import fit
from studies.labels import Labelling, Labels, gather, joined
from studies.page import page

STARTS = {"rule": starting_weights(), "schedule": shipped_schedule("metro").weights}
# Training episodes: to label, a thousand seeds for every round, to compare fits, to accept one.
_LABELLED_SEED, _COMPARED_SEED, _ACCEPTED_SEED = 300_000, 420_000, 430_000
_SEEDS_APART = 1000


@dataclass(frozen=True)
class Study:
    """What is done from every seed.

    Attributes:
        scenario: Scenario of the networks.
        labelling: How decisions are labelled.
        rounds: How often.
        temperature: See `studies.fit.fit`.
        fits: Significance and penalty of every fit, see there; the one that plays best is proposed.
        compared: Training episodes on which fits are compared.
        accepting: Others on which the proposed one is accepted or not.
        episodes: Held-out episodes.
    """

    scenario: str = "metro"
    labelling: Labelling = field(default_factory=Labelling)
    rounds: int = 2
    temperature: float = 0.05
    fits: tuple[tuple[float, float], ...] = ((0.0, 0.1), (0.0, 0.01), (1.5, 0.01))
    compared: int = 256
    accepting: int = 512
    episodes: int = 200

    def scaled(self, effort: float) -> Study:
        """The study with another number of labels.

        Args:
            effort: Multiplies the episodes whose decisions are labelled.
        """
        count = max(1, round(self.labelling.episodes * effort))
        return dataclasses.replace(
            self, labelling=dataclasses.replace(self.labelling, episodes=count)
        )


class Round(msgspec.Struct, forbid_unknown_fields=True):
    """A round.

    Attributes:
        labels: Decisions that have been fitted to.
        cpu_s: CPU seconds since the start, held-out episodes excepted.
        trial: Points of the proposed fit to the schedule on the episodes of acceptance: mean, and
            ends of the 95 % interval.
        accepted: Whether it became the schedule.
    """

    labels: int
    cpu_s: float
    trial: tuple[float, float, float]
    accepted: bool


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """A finished training.

    Attributes:
        key: Changes with whatever it hangs on.
        rounds: The rounds.
        shares: Delivered share of every held-out episode.
    """

    key: str
    rounds: list[Round]
    shares: list[float]


class Unit(NamedTuple):
    """A training to do.

    Attributes:
        study: What is done.
        start: One of `STARTS`.
        seed: Its seed.
        folder: Where labels and finished trainings lie.
    """

    study: Study
    start: str
    seed: int
    folder: Path

    @property
    def key(self) -> str:
        """Changes with whatever the training hangs on."""
        start = ScoredSchedule(STARTS[self.start]).digest()
        return _digest(self.study, start, self.seed)

    def finished(self) -> Run | None:
        """The training's file, if it is there and of all that it hangs on today.

        Raises:
            InvalidInput: If it is damaged.
        """
        file = self._file
        run = read_json(file, Run, "finished training") if file.exists() else None
        return run if run is not None and run.key == self.key else None

    def keep(self, run: Run) -> None:
        """Writes the training's file."""
        write_json(self._file, msgspec.to_builtins(run))

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.start}-{self.seed}.json"


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr((__version__, *parts)).encode()).hexdigest()


def train(unit: Unit) -> None:
    """Does the rounds of a training, and writes its file."""
    torch.set_num_threads(1)
    study, weights = unit.study, STARTS[unit.start]
    compared = _episodes(study, "train", study.compared, _COMPARED_SEED)
    accepting = _episodes(study, "train", study.accepting, _ACCEPTED_SEED)
    rounds: list[Round] = []
    kept: list[Labels] = []
    spent_s = 0.0
    for number in range(study.rounds):
        labels, cpu_s = _labels(unit, weights, number)
        began = time.process_time()
        kept.append(labels)
        every = joined(kept)
        fits = [
            fit(
                weights,
                every,
                significance=significance,
                temperature=study.temperature,
                penalty=penalty,
            )
            for significance, penalty in study.fits
        ]
        best = fits[int(np.argmax([compared.shares(one).mean() for one in fits]))]
        gain = 100.0 * (accepting.shares(best) - accepting.shares(weights))
        trial = bootstrap_interval(gain)
        accepted = trial.low > 0.0
        if accepted:
            # Labels are those of a schedule; while it stays, they add up.
            weights, kept = best, []
        spent_s += cpu_s + time.process_time() - began
        rounds.append(Round(len(every.lead), spent_s, tuple(trial), accepted))
    unit.keep(Run(unit.key, rounds, held_out(study).shares(weights).tolist()))


def held_out(study: Study) -> Episodes:
    """The episodes that are reported."""
    return _episodes(study, "test", study.episodes, HELD_OUT_SEED)


def _episodes(study: Study, split: str, count: int, seed: int) -> Episodes:
    episodes = Episodes(resolve(study.scenario, {"split": split}), count)
    episodes.start(seed)
    return episodes


def _labels(unit: Unit, weights: Weights, number: int) -> tuple[Labels, float]:
    """The labels of a round, of which there is a file, and the CPU seconds that they took."""
    told, schedule = unit.study.labelling, ScoredSchedule(weights)
    seed = _LABELLED_SEED + _SEEDS_APART * (unit.study.rounds * unit.seed + number)
    key = _digest(told, schedule.digest(), unit.study.scenario, seed)
    file = unit.folder / f"labels-{key[:24]}.npz"
    if not file.exists():
        began = time.process_time()
        labels = gather(told, schedule, {"scenario": unit.study.scenario}, seed)
        cpu_s = time.process_time() - began
        part = file.with_suffix(".part.npz")
        np.savez_compressed(part, cpu_s=cpu_s, **labels._asdict())
        part.rename(file)
    with np.load(file) as arrays:
        return Labels(*(arrays[name] for name in Labels._fields)), float(arrays["cpu_s"])


def figures(study: Study, runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Everything that the page says of the study, as plain values.

    Args:
        study: The study.
        runs: Of every start, a run per seed.
    """
    episodes = held_out(study)
    rules = {name: _reference(study, name) for name in REFERENCES}
    starts = {}
    for start, every in runs.items():
        before = episodes.shares(STARTS[start])
        after = np.array([run.shares for run in every])
        starts[start] = {
            "delivered_share": float(after.mean()),
            "labels": float(np.mean([_gathered(run.rounds) for run in every])),
            "cpu_s": float(np.mean([run.rounds[-1].cpu_s for run in every])),
            "accepted": sum(one.accepted for run in every for one in run.rounds),
            "trials": [one.trial[0] for run in every for one in run.rounds],
            "points_to_start": interval_over_both(100.0 * (after - before)),
            "points": {name: interval_over_both(100.0 * (after - rules[name])) for name in rules},
            "start": {
                "delivered_share": float(before.mean()),
                "points": {
                    name: bootstrap_interval(100.0 * (before - rules[name])) for name in rules
                },
            },
        }
    return {
        "scenario": study.scenario,
        "episodes": study.episodes,
        "seeds": len(next(iter(runs.values()))),
        "references": {name: float(rule.mean()) for name, rule in rules.items()},
        "settings": dataclasses.asdict(study),
        "starts": starts,
    }


def _gathered(rounds: Sequence[Round]) -> int:
    """All labels of a training: those of a schedule that has stayed are in the next round too."""
    dropped = sum(one.labels for one in rounds[:-1] if one.accepted)
    return dropped + rounds[-1].labels


def _reference(study: Study, name: str) -> NDArray[np.float64]:
    """Delivered share of a rule in every held-out episode."""
    result = evaluate(name, None, study.episodes, HELD_OUT_SEED, scenario=study.scenario)
    return result.metrics["delivered_share"]


def run(
    seeds: int,
    effort: float,
    workers: WorkerCount,
    work: Path,
    out: Path,
    study: Study | None = None,
) -> None:
    """Does what is left of the study, and writes the page of the studies and its figures.

    Args:
        seeds: Training seeds, from 0.
        effort: Multiplies the labels.
        workers: Processes that share the trainings.
        work: Folder for labels and finished trainings, in a folder of the study.
        out: Folder of the page.
        study: What is done; None for the study of the page.

    Raises:
        InvalidInput: On a number outside its range, a folder that cannot be written or a damaged
            file in it.
    """
    require_integer("seeds", seeds, 2, 50)
    require_between("effort", effort, 0.0, low_open=True)
    study, folder = (study or Study()).scaled(effort), work / NAME
    for place, option in ((folder, "work"), (out, "out")):
        require_writable_folder(place, option)
    units = [Unit(study, start, seed, folder) for seed in range(seeds) for start in STARTS]
    left = [unit for unit in units if unit.finished() is None]
    print(f"{NAME}: {len(left)} of {len(units)} trainings are left; kept in {folder}", flush=True)
    with start_workers(workers) as team, tqdm(total=len(left), unit=" trainings") as bar:
        team.do(train, left, lambda index, result: bar.update())
    runs: dict[str, list[Run]] = {start: [] for start in STARTS}
    for unit in units:
        found = unit.finished()
        assert found is not None
        runs[unit.start].append(found)
    file = out / f"{PAGE}.json"
    others = json.loads(file.read_text()) if file.exists() else {}
    write_json(
        file, {**others, NAME: {"version": __version__, "effort": effort, **figures(study, runs)}}
    )
    # As it is read again.
    write_bytes(out / f"{PAGE}.md", page(json.loads(file.read_text())).encode())
    print(f"Written: {out / PAGE}.md")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_line("studies.expert", __doc__)
    parser.add_argument("--seeds", type=int, default=5, help="training seeds, from 0")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/studies"), help="labels and finished trainings"
    )
    add_out(parser)
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies the labels")
    add_workers(parser)
    run_command(parser, run, arguments)


if __name__ == "__main__":
    main()
