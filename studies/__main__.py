"""Trains what a study compares and writes its part of docs/studies.md: ``python -m studies NAME``.

Finished trainings and tunings are kept, so a study that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.errors import (
    InvalidInput,
    require_between,
    require_choice,
    require_integer,
    shown,
)
from qkd_gym.files import require_writable_folder, write_bytes, write_json
from qkd_gym.workers import WorkerCount, Workers, add_workers, start_workers
from studies.command import add_out, command_line, run_command
from studies.comparison import PlayUnit, play_setting, rule_units, tune_rule
from studies.comparison import figures as comparison_figures
from studies.figures import figures
from studies.forms import STUDIES, Study
from studies.page import draw, page
from studies.settings import COMPARISONS, RULES
from studies.training import Run, Unit, finished, train

NAME = "studies"  # of the page and its figures


def run(
    name: str,
    seeds: int,
    effort: float,
    workers: WorkerCount,
    work: Path,
    out: Path,
    forms: Sequence[str] = (),
) -> None:
    """Does what is left of a study, and writes page, figures and plot.

    Args:
        name: Name of the study.
        seeds: Training seeds, from 0.
        effort: Multiplies the length of all trainings.
        workers: Processes that share the trainings.
        work: Folder for finished trainings and tunings, in folders of the studies.
        out: Folder of the page.
        forms: Of a study of trainings, those to train; empty for all.

    Raises:
        InvalidInput: On an unknown study, a number outside its range, a folder that cannot be
            written or a damaged file in it.
    """
    require_choice("study", name, (*STUDIES, *COMPARISONS))
    require_integer("seeds", seeds, 2, 1000)
    require_between("effort", effort, 0.0, low_open=True)
    if forms and name not in STUDIES:
        raise InvalidInput(f"forms is {shown(list(forms))}, but must be left out for {name}.")
    for form in forms:
        require_choice("forms", form, tuple(STUDIES[name].forms))
    require_writable_folder(out, "out")
    published = _published(out).get(name)
    with start_workers(workers) as team:
        if name in STUDIES:
            study = STUDIES[name].of(forms).scaled(effort)
            facts = _trainings(team, name, study, seeds, effort, work, published)
        else:
            facts = _comparison(team, name, seeds, effort, work, published)
    told = {"version": __version__, "effort": effort, "seeds": seeds}
    write_json(out / f"{NAME}.json", {**_published(out), name: {**told, **facts}})
    # As it is read again.
    results = _published(out)
    draw(name, results[name], out)
    write_bytes(out / f"{NAME}.md", page(results).encode())
    print(f"Written: {out / NAME}.md")


def _trainings(
    team: Workers,
    name: str,
    study: Study,
    seeds: int,
    effort: float,
    work: Path,
    published: Any,
) -> dict[str, Any]:
    """Figures of forms that are trained."""
    folder = work / name
    require_writable_folder(folder, "work")
    units = {form: _units(study, form, seeds, folder) for form in study.forms}
    takes = ""
    if published and list(published["forms"]) == list(study.forms):
        a_seed = published["cpu_minutes"] / published["seeds"] / published["effort"]
        takes = f" of {seeds * effort * a_seed:.0f} CPU minutes"
    count = sum(map(len, units.values()))
    left = sum(finished(unit) is None for each in units.values() for unit in each)
    sentence = f"{count} trainings{takes}; {left} are left to do and are kept in {folder}"
    print(f"{name}: {sentence}", flush=True)
    # What others start from comes first.
    runs = {form: _train(team, f"{name}, {form}", each) for form, each in units.items()}
    return figures(study, runs)


def _comparison(
    team: Workers, name: str, seeds: int, effort: float, work: Path, published: Any
) -> dict[str, Any]:
    """Figures of what ships, was searched on metro or is tuned, in many settings."""
    study, folder = COMPARISONS[name], work / name
    learning, of_searches = STUDIES["learning"].scaled(effort), work / "learning"
    for place in (folder, of_searches):
        require_writable_folder(place, "work")
    searches = _units(learning, "search", seeds, of_searches)
    rules = rule_units(study, folder)
    takes = ""
    if published:
        searching = published["search_minutes"] / published["seeds"] / published["effort"]
        minutes = published["tuning_minutes"] + seeds * effort * searching
        takes = f" of {minutes:.0f} CPU minutes"
    left = [unit for unit in rules if unit.finished() is None]
    searches_left = sum(finished(unit) is None for unit in searches)
    print(
        f"{name}: {len(rules)} tunings and {seeds} searches{takes}; {len(left)} and "
        f"{searches_left} are left to do and are kept in {work}",
        flush=True,
    )
    runs = _train(team, f"{name}, searches", searches)
    _do(team, f"{name}, tunings", tune_rule, left)
    schedules = [unit.schedule for unit in searches]
    tuned = {(unit.label, unit.rule): unit.read() for unit in rules}
    plays = [
        PlayUnit(setting, study.episodes, {rule: tuned[label, rule] for rule in RULES}, schedules)
        for label, setting in study.settings.items()
    ]
    played = _do(team, f"{name}, episodes", play_setting, plays)
    return {
        "tuning_minutes": sum(one.cpu_s for one in tuned.values()) / 60.0,
        "search_minutes": sum(run.validations[-1].cpu_s for run in runs) / 60.0,
        **comparison_figures(study, played),
    }


def _units(study: Study, form: str, seeds: int, folder: Path) -> list[Unit]:
    return [Unit(study, form, seed, folder) for seed in range(seeds)]


def _train(team: Workers, what: str, units: list[Unit]) -> list[Run]:
    """Does what is left of trainings of a form, and reads all."""
    _do(team, what, train, [unit for unit in units if finished(unit) is None])
    return [_read(unit) for unit in units]


def _read(unit: Unit) -> Run:
    found = finished(unit)
    assert found is not None
    return found


def _do(team: Workers, what: str, work: Callable[[Any], Any], units: Sequence[Any]) -> list[Any]:
    with tqdm(total=len(units), desc=what) as bar:
        return team.do(work, units, lambda index, result: bar.update())


def _published(out: Path) -> dict:
    """The figures of all studies so far."""
    file = out / f"{NAME}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_line("studies", __doc__)
    parser.add_argument("name", help=", ".join([*STUDIES, *COMPARISONS]))
    parser.add_argument("--forms", nargs="+", default=(), help="what to train; default: all")
    parser.add_argument("--seeds", type=int, default=5, help="training seeds, from 0")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/studies"), help="finished trainings"
    )
    add_out(parser)
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies all trainings")
    add_workers(parser)
    run_command(parser, run, arguments)


if __name__ == "__main__":
    main()
