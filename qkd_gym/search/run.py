"""One search in a folder: its journal, its curve, its agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from qkd_gym import __version__
from qkd_gym.evaluation.plots import plot_learning_curve
from qkd_gym.files import require_writable_folder, write_json
from qkd_gym.scoring import ScoredPolicy, save_scored
from qkd_gym.scoring.kinds import Kind
from qkd_gym.search.recipe import SearchRecipe
from qkd_gym.search.search import Search
from qkd_gym.workers import Workers, worker_count

_JOURNAL = "search.jsonl"


class SearchRun:
    """A direct search in a folder.

    Args:
        kind: What is scored.
        recipe: How it is done.
        network: Keyword arguments of the environment, ``scenario`` among them.
        seed: Seed of the search.
        decisions: Decisions of all episodes together, rounded to whole generations; 0 for as many
            generations as the recipe says.
        workers: Processes that share the candidates, see `worker_count`.
        folder: Where the run leaves its files.

    Raises:
        InvalidInput: If the number of workers is none, or the network cannot be built.
    """

    def __init__(
        self,
        kind: Kind,
        recipe: SearchRecipe,
        network: Mapping[str, Any],
        *,
        seed: int,
        decisions: int,
        workers: Any,
        folder: Path,
    ) -> None:
        self._workers = worker_count(workers)
        changes = {key: value for key, value in network.items() if key != "scenario"}
        practices = recipe.practices(network["scenario"], changes)
        self._search = Search(recipe, practices, seed, kind=kind)
        if decisions:
            generations = round(recipe.generations * decisions / self._search.decisions)
            recipe = dataclasses.replace(recipe, generations=max(1, generations))
            self._search = dataclasses.replace(self._search, recipe=recipe)
        self._folder = folder

    @property
    def children(self) -> int:
        """Processes to start, beside which this one waits; none for one worker."""
        return self._workers if self._workers > 1 else 0

    @property
    def has_begun(self) -> bool:
        """Whether the folder holds a journal."""
        return (self._folder / _JOURNAL).exists()

    def prepare(self, asked: Mapping[str, Any]) -> None:
        """Checks what the folder holds, then writes what was asked for.

        Raises:
            InvalidInput: If the journal is of another search or the folder cannot be written.
        """
        recipe, decisions = self._search.recipe, self._search.decisions
        if self.has_begun:
            self._search.open_journal(self._folder / _JOURNAL)
        require_writable_folder(self._folder, "out")
        facts = {"options": dict(asked), "recipe": dataclasses.asdict(recipe)}
        write_json(self._folder / "config.json", {"version": __version__, **facts})
        minutes = decisions / self._search.kind.decisions_per_core_s / self._workers / 60.0
        print(
            f"Searching by {recipe.generations} generations of {recipe.population} candidates, "
            f"{decisions / 1e6:.0f} million decisions on {self._workers} "
            f"{'core' if self._workers == 1 else 'cores'}, some {minutes:.0f} minutes; results go "
            f"to {self._folder}"
        )

    def learn(
        self, asked: Mapping[str, Any], submit: Callable[..., Future[Any]] | None
    ) -> ScoredPolicy:
        """Searches, or goes on, and writes the agent and the curve of its validation.

        Args:
            asked: What was asked for, as for `prepare`.
            submit: Hands a function to another process, of which there are `children`.
        """
        from tqdm import tqdm

        search, kind = self._search, self._search.kind
        with tqdm(total=search.recipe.generations, desc="searching", unit=" generations") as bar:

            def show(number: int, share: float | None) -> None:
                bar.update(number - bar.n)
                if share is not None:
                    bar.set_postfix_str(f"{kind.share} {share:.4f} in validation")

            weights, curve = search.run(Workers(submit), self._folder / _JOURNAL, show)
        save_scored(self._folder / kind.file, weights, self._card(asked))
        per_generation = search.decisions / search.recipe.generations
        numbers, shares = zip(*curve, strict=True)
        plot_learning_curve(
            self._folder / "learning_curve.png",
            [per_generation * number for number in numbers],
            shares,
            label="agent",
            quantity=f"{kind.share} in validation",
            references={"rule that it starts from": shares[0]},
        )
        policy: ScoredPolicy = kind.policy(weights, "agent")
        return policy

    def _card(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the agent comes of."""
        search = self._search
        scenarios = list(dict.fromkeys(one.scenario for one in search.practices))
        where = scenarios[0] if len(scenarios) == 1 else f"{len(scenarios)} scenarios"
        told = ("env", "agent", "scenario", "network", "seed")
        return {
            "summary": f"searched on {where}: {search.recipe.generations} generations of "
            f"{search.recipe.population} candidates",
            "options": {name: asked[name] for name in told if name in asked},
            "decisions": search.decisions,
            "recipe": dataclasses.asdict(search.recipe),
        }
