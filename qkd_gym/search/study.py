"""Several searches that differ in their seed alone, on the same held-out episodes.

``python -m qkd_gym.search.study agents/LinkScheduling.toml search --scenario metro``, or, of paths,
``python -m qkd_gym.search.study agents/Routing.toml classes --env Routing --scenario classes``
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qkd_gym.commands import exit_status
from qkd_gym.errors import require_integer
from qkd_gym.evaluation import EvaluationResult, evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.intervals import interval_over_both
from qkd_gym.evaluation.report import points_text
from qkd_gym.files import require_writable_folder, write_bytes, write_figure, write_json
from qkd_gym.markdown import markdown_table
from qkd_gym.scoring import save_scored
from qkd_gym.scoring.kinds import KINDS, SCHEDULES
from qkd_gym.search.recipe import load_search_recipe
from qkd_gym.search.search import Search
from qkd_gym.workers import WorkerCount, Workers, add_workers, start_workers, take_workers

# By what agents decide; the fixed reference first, then the rules that do best in its place.
BASELINES = {
    "LinkScheduling": (
        "demand-deficit", "LinkScheduling:demand-deficit", "LinkScheduling:max-weight",
    ),
    "Routing": (
        "Routing:exponential-price", "Routing:class-reservation", "Routing:bid-price",
    ),
}  # fmt: skip


def study(
    recipes: Path,
    recipe: str,
    scenario: str,
    *,
    seeds: int,
    episodes: int,
    out: Path,
    workers: WorkerCount,
    env: str = SCHEDULES.task.name,
) -> None:
    """Searches with several seeds, plays what they found, and writes a table and the curves.

    A study that was stopped goes on where it was.

    Args:
        recipes: TOML file of recipes.
        recipe: Name of the recipe.
        scenario: Scenario of the search, and of the held-out episodes.
        seeds: Number of seeds, from 0.
        episodes: Held-out episodes.
        out: Folder to write into.
        workers: Processes that share the work.
        env: Short name of the environment that the agents play.

    Raises:
        InvalidInput: On a bad recipe or scenario, a number outside its range, or a folder that
            cannot be written or holds another study.
    """
    require_integer("seeds", seeds, 2, 1000)
    require_integer("episodes", episodes, 2)
    told = load_search_recipe(recipes, recipe)
    kind, baselines = KINDS[env], BASELINES[env]
    practices = told.practices(scenario, {})
    searches = [Search(told, practices, seed, kind=kind) for seed in range(seeds)]
    print(
        f"{seeds} searches of {searches[0].decisions / 1e6:.0f} million decisions each; results "
        f"go to {out}"
    )
    require_writable_folder(out, "out")
    with start_workers(workers) as team:
        agents, curves = [], []
        for seed, search in enumerate(searches):
            weights, curve = search.run(team, out / f"search-{seed}.jsonl")
            save_scored(out / f"{Path(kind.file).stem}-{seed}.json", weights, {"seed": seed})
            agents.append(kind.policy(weights, f"seed {seed}"))
            curves.append(curve)
            print(f"seed {seed}: {kind.share} {curve[-1][1]:.4f} in validation")
        results = _play(team, [*baselines, *agents], scenario, episodes)
    shares = [result.metrics[kind.objective] for result in results]
    rules, found = np.array(shares[: len(baselines)]), np.array(shares[len(baselines) :])
    rows, facts = [], {}
    for name, rule in zip(baselines, rules, strict=True):
        together = interval_over_both(found - rule)
        each = [float((100.0 * (one - rule)).mean()) for one in found]
        facts[name] = {"all": list(together), "by_seed": each}
        cells = ", ".join(f"{value:+.2f}" for value in each)
        rows.append((name, f"{rule.mean():.4f}", points_text(together), cells))
    header = ("rule", f"its {kind.share}", "points of the agents [95 %]", "by training seed")
    table = markdown_table(header, rows)
    write_bytes(out / "table.md", (table + "\n").encode())
    write_json(out / "study.json", {"scenario": scenario, "episodes": episodes, "points": facts})
    draw(out / "curves.png", curves, searches[0].decisions / told.generations, kind.share)
    print(table)


def _play(
    team: Workers, policies: list[Any], scenario: str, episodes: int
) -> list[EvaluationResult]:
    play = partial(_played, scenario, episodes)
    return team.do(play, policies)


def _played(scenario: str, episodes: int, policy: Any) -> EvaluationResult:
    return evaluate(policy, None, episodes, HELD_OUT_SEED, scenario=scenario)


def draw(path: Path, curves: list[list[tuple[int, float]]], decisions: float, share: str) -> None:
    """Draws the validation of every search against the decisions it has played.

    Args:
        path: File to write.
        curves: Generations and shares of every search.
        decisions: Decisions of a generation.
        share: What the shares are.
    """
    figure = Figure(figsize=(7.0, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for seed, curve in enumerate(curves):
        generations, shares = zip(*curve, strict=True)
        millions = [decisions * number / 1e6 for number in generations]
        axes.plot(millions, shares, marker="o", markersize=3, label=f"seed {seed}")
    axes.axhline(curves[0][0][1], linestyle="--", linewidth=1, color="black", label="start: rule")
    axes.set(xlabel="decisions played (millions)", ylabel=f"{share} in validation")
    axes.grid(alpha=0.3)
    axes.legend()
    write_figure(path, figure)


def main() -> None:
    """The command line; bad input is one sentence and exit status 2."""
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("recipes", type=Path, help="TOML file of recipes")
    parser.add_argument("recipe", help="its name there")
    parser.add_argument("--scenario", default="metro")
    parser.add_argument(
        "--env", default=SCHEDULES.task.name, choices=tuple(KINDS), help="what the agents decide"
    )
    parser.add_argument("--seeds", type=int, default=5, help="training seeds, from 0")
    parser.add_argument("--episodes", type=int, default=200, help="held-out episodes")
    parser.add_argument("--out", type=Path, default=Path("runs/search-study"))
    add_workers(parser)
    options = vars(parser.parse_args())
    with exit_status("The same command goes on from there."):
        take_workers(options)
        study(**options)


if __name__ == "__main__":
    main()
