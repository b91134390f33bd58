"""Whether the simulator is compiled yet, which takes long once."""

from __future__ import annotations

import sys

from qkd_gym.envs.transition import step_range
from qkd_gym.jit import is_kept


def announce_compilation() -> None:
    """Says on standard error, before work that plays episodes, that it must compile first."""
    if not is_kept(step_range):
        print(
            "Compiling the simulator, which takes about half a minute and is kept for next time.",
            file=sys.stderr,
            flush=True,
        )
