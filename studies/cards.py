"""Writes into the cards of the schedules that ship what they do on held-out episodes.

Run ``python -m studies.cards`` from the repository's root. It plays every schedule beside the rules
that say themselves what makes way, as they were tuned for each scenario.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from qkd_gym.baselines import make_policy
from qkd_gym.benchmark.suites import get_suite
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.intervals import bootstrap_interval
from qkd_gym.files import write_json
from qkd_gym.network.scenarios import resolve
from qkd_gym.scoring import shipped_schedule, shipped_schedules
from qkd_gym.scoring.episodes import Episodes
from qkd_gym.workers import WorkerCount, add_workers, start_workers
from studies.command import command_line, run_command
from studies.settings import RULES

CARDS = Path(__file__).parents[1] / "qkd_gym" / "scoring" / "data"
SUITES = ("metro", "hidden", "failures", "sizes", "real", "control")
HARDWARE = "two cores of 2024"
Shares = NDArray[np.float64]


def play(episodes: int, scenario: str) -> dict[str, Shares]:
    """Delivered shares of the rules and the schedules on the same episodes of a scenario."""
    config = resolve(scenario, {"split": "test"})
    shares: dict[str, Shares] = {}
    for rule in RULES:
        policy = make_policy(rule, scenario=scenario)
        played = evaluate(policy, None, episodes, HELD_OUT_SEED, scenario=scenario)
        shares[rule] = played.metrics["delivered_share"]
    at_hand = Episodes(config, episodes)
    at_hand.start(HELD_OUT_SEED)
    for name in shipped_schedules():
        shares[name] = at_hand.shares(shipped_schedule(name).weights)
    return shares


def facts(name: str, played: Mapping[str, Mapping[str, Shares]], episodes: int) -> dict[str, Any]:
    """What a card says of held-out episodes.

    Args:
        name: The schedule.
        played: Shares by scenario and policy, from `play`.
        episodes: Episodes per scenario.
    """
    held_out: dict[str, Any] = {}
    loses = []
    for scenario, shares in played.items():
        rule = max(RULES, key=lambda each: float(shares[each].mean()))
        lead = bootstrap_interval(100.0 * (shares[name] - shares[rule]))
        held_out[scenario] = f"{lead.mean:+.2f} [{lead.low:+.2f}, {lead.high:+.2f}] to {rule}"
        if lead.high < 0.0:
            loses.append(scenario)
    return {
        "hardware": HARDWARE,
        "held_out": {
            "what": f"points of delivered share to the best tuned rule [95 %], {episodes} episodes "
            f"of each from seed {HELD_OUT_SEED}",
            **held_out,
        },
        "loses": loses,
    }


def scenarios() -> list[str]:
    """What is played: the scenarios of `SUITES`."""
    return list(dict.fromkeys(s for suite in SUITES for s in get_suite(suite).scenarios))


def run(episodes: int, workers: WorkerCount) -> None:
    """Plays everything and writes the cards."""
    places = scenarios()
    with (
        start_workers(workers) as team,
        tqdm(total=len(places), desc="playing", unit=" scenarios") as bar,
    ):
        shares = team.do(partial(play, episodes), places, lambda index, result: bar.update())
    played = dict(zip(places, shares, strict=True))
    for name in shipped_schedules():
        path = CARDS / f"{name}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["card"] |= facts(name, played, episodes)
        write_json(path, content)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_line("studies.cards", __doc__)
    parser.add_argument("--episodes", type=int, default=100, help="held-out episodes")
    add_workers(parser)
    run_command(parser, run, arguments, "Nothing has been written.")


if __name__ == "__main__":
    main()
