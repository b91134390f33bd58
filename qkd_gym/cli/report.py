"""``qkd-gym report``: a run of ``train.py`` as one HTML page."""

from __future__ import annotations

from pathlib import Path

from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.cli.progress import Progress
from qkd_gym.errors import require_integer
from qkd_gym.files import require_writable_file, write_bytes
from qkd_gym.report import read_run, report_page


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "report", run, "write a page about a run")
    parser.add_argument("folder", metavar="RUN", type=Path, help="folder that train.py has written")
    parser.add_argument("--scenario", default="", help="default: the one that the run names")
    parser.add_argument(
        "--seed", type=int, help="seed of the episode (default: the first of the run's results)"
    )
    parser.add_argument("--out", type=Path, help="file (default: RUN/report.html)")


def run(folder: Path, scenario: str, seed: int | None, out: Path | None) -> None:
    """Reads the run, plays the episode and writes the page."""
    if seed is not None:
        require_integer("seed", seed, 0)
    found = read_run(folder, scenario)
    path = out or folder / "report.html"
    require_writable_file(path, "out")
    with Progress(" moments") as progress:
        page = report_page(found, seed, progress)
    write_bytes(path, page.encode())
    print(f"The page is {path}")
