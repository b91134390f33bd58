"""What can be asked of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qkd_gym.envs.tasks import LINK_SCHEDULING

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Options:
    """What is trained on what, and where the results go.

    Attributes:
        scenario: Name of a scenario or path of a topology file; empty for the environment's own.
        network: Changes to the scenario as ``FIELD=VALUE``, for instance ``load=1.2``.
        env: Short name of the environment.
        agent: Name of a recipe; empty for the environment's first.
        total_timesteps: Decisions that are played in training; 0 for as many as the recipe says.
        seed: Seed of the training, in [0, 2^31].
        out: Folder of the results; None for ``runs/SCENARIO-ENV-AGENT-SEED``.
        resume: Whether to go on from the newest checkpoint in that folder.
        episodes: Held-out episodes of the evaluation.
        device: Where networks run, one of `DEVICES`; ``"auto"`` is a GPU if there is one.
        workers: Processes that train together, see `qkd_gym.workers.worker_count`. What `pointer`
            learns hangs on it, and ``"auto"`` takes a number that divides its environments and
            minibatches.
    """

    scenario: str = ""
    network: tuple[str, ...] = ()
    env: str = LINK_SCHEDULING.name
    agent: str = ""
    total_timesteps: int = 0
    seed: int = 0
    out: Path | None = None
    resume: bool = False
    episodes: int = 100
    device: str = "auto"
    workers: int | Literal["auto"] = "auto"
