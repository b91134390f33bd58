"""Trains what a study compares and writes its part of docs/studies.md: ``python -m studies NAME``.

Finished trainings are kept, so a study that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from qkd_gym import __version__
from qkd_gym.commands import exit_status
from qkd_gym.errors import require_between, require_choice, require_integer
from qkd_gym.files import require_writable_folder, write_bytes, write_json
from qkd_gym.workers import WorkerCount, add_workers, start_workers, take_workers
from studies.figures import figures
from studies.forms import STUDIES
from studies.page import draw, page
from studies.training import Run, Unit, finished, train

DOCS = Path(__file__).parents[1] / "docs"
NAME = "studies"  # of the page and its figures


def run(name: str, seeds: int, effort: float, workers: WorkerCount, work: Path, out: Path) -> None:
    """Does what is left of a study, and writes page, figures and plot.

    Args:
        name: Name of the study.
        seeds: Training seeds, from 0.
        effort: Multiplies the length of all trainings.
        workers: Processes that share the trainings.
        work: Folder for finished trainings, in a folder of the study.
        out: Folder of the page.

    Raises:
        InvalidInput: On an unknown study, a number outside its range, a folder that cannot be
            written or a damaged file in it.
    """
    require_choice("study", name, tuple(STUDIES))
    require_integer("seeds", seeds, 2, 1000)
    require_between("effort", effort, 0.0, low_open=True)
    study, folder = STUDIES[name].scaled(effort), work / name
    units = {
        form: [Unit(study, form, seed, folder) for seed in range(seeds)] for form in study.forms
    }
    left = {form: [one for one in units[form] if finished(one) is None] for form in units}
    count = sum(map(len, left.values()))
    published = _published(out).get(name)
    takes = ""
    if published:
        a_seed = published["cpu_minutes"] / published["seeds"] / published["effort"]
        takes = f" of {seeds * effort * a_seed:.0f} CPU minutes"
    print(
        f"{name}: {seeds * len(units)} trainings{takes}; {count} are left to do and are kept in "
        f"{folder}",
        flush=True,
    )
    for place in (folder, out):
        require_writable_folder(place, "out" if place == out else "work")
    with start_workers(workers) as team, tqdm(total=count, unit=" trainings") as bar:
        for form, todo in left.items():  # what others start from comes first
            bar.set_description(f"{name}, {form}")
            team.do(train, todo, lambda index, result: bar.update())
    runs = {form: [_read(unit) for unit in every] for form, every in units.items()}
    results = {
        **_published(out),
        name: {"version": __version__, "effort": effort, **figures(study, runs)},
    }
    write_json(out / f"{NAME}.json", results)
    # As it is read again.
    results = _published(out)
    draw(name, results[name], out)
    write_bytes(out / f"{NAME}.md", page(results).encode())
    print(f"Written: {out / NAME}.md")


def _read(unit: Unit) -> Run:
    found = finished(unit)
    assert found is not None
    return found


def _published(out: Path) -> dict:
    """The figures of all studies so far."""
    file = out / f"{NAME}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; bad input is one sentence and exit status 2."""
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m studies", description=__doc__, formatter_class=form
    )
    parser.add_argument("name", help=", ".join(STUDIES))
    parser.add_argument("--seeds", type=int, default=5, help="training seeds, from 0")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/studies"), help="finished trainings"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the page")
    parser.add_argument("--effort", type=float, default=1.0, help="multiplies all trainings")
    add_workers(parser)
    options = vars(parser.parse_args(arguments))
    with exit_status("The same command goes on from there."):
        take_workers(options)
        run(**options)


if __name__ == "__main__":
    main()
