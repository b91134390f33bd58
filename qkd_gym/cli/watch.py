"""``qkd-gym watch``: an episode of one policy, or of several side by side, as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.benchmark.policies import load, rows_of
from qkd_gym.cli.arguments import Commands, add_command, add_policies
from qkd_gym.cli.progress import Progress
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import require_integer
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.player import Player
from qkd_gym.network.scenarios import resolve
from qkd_gym.rendering import RENDER_FPS, RenderOptions, Window, require_video, write_video
from qkd_gym.rendering.options import COLOURS

_MOST_STEPS = 10_000


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "watch", run, "show an episode, in a window or as a video")
    add_policies(parser)
    parser.add_argument(
        "--out",
        type=Path,
        help=".gif or .mp4, or .png for the last picture; without it a window opens",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=100,
        help="pictures after the first: decision intervals, or requests where paths are decided",
    )
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="seed of the episode")
    parser.add_argument("--fps", type=int, default=RENDER_FPS, help="pictures a second")
    parser.add_argument(
        "--size", type=int, nargs=2, default=RenderOptions.size, metavar=("WIDTH", "HEIGHT")
    )
    parser.add_argument("--colour", default="pool", choices=COLOURS, help="what links show")


def run(
    policies: Sequence[str],
    scenario: str,
    env: str,
    out: Path | None,
    steps: int,
    seed: int,
    fps: int,
    size: Sequence[int],
    colour: str,
) -> None:
    """Plays the policies on the same episode and shows it."""
    task = TASKS[env]
    require_integer("steps", steps, 1, _MOST_STEPS)
    require_integer("seed", seed, 0)
    rows = rows_of(policies, task)
    settings = {"scenario": scenario or task.default_scenario, "split": "test"}
    resolve(settings["scenario"], {})
    window = None
    if out is None:
        window = Window(fps)
    else:
        require_video(out, fps)
    players = []
    for row in rows:
        options = RenderOptions(size=tuple(size), colour=colour, title=row.label)  # type: ignore[arg-type]
        look: dict[str, Any] = {"render_mode": "rgb_array", "render_options": options}
        policy = load(row.policy, row.env_id, settings)
        players.append(Player(policy, row.env_id, seed, **look, **settings))
    with Progress(" pictures") as progress:
        pictures = _pictures(players, steps, progress)
        if out is not None:
            write_video(out, pictures, fps)
            print(f"The episode is in {out}")
            return
        assert window is not None
        for picture in pictures:
            window.show(picture)


def _pictures(
    players: Sequence[Player], steps: int, progress: Progress
) -> Iterator[NDArray[np.uint8]]:
    """All players side by side, at the start and after every step, until an episode is over."""
    for number in range(steps + 1):
        if number:
            for player in players:
                player.advance()
        yield np.hstack([player.frame() for player in players])
        over = any(player.over for player in players)
        progress(number + 1, number + 1 if over else steps + 1)
        if over:
            return
