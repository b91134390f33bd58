"""Search for the weights of a scorer by an evolution strategy.

All candidates of a generation play the same training episodes, and every generation plays new ones.
The same seed gives the same weights, with any number of workers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from qkd_gym import __version__
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.evaluation.episodes import VALIDATION_SEED
from qkd_gym.extras import require_extra
from qkd_gym.features import HOUR_S
from qkd_gym.files import read_journal
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.config import interval_s
from qkd_gym.network.parameters import kernel_params
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.scoring.evolution import Evolution
from qkd_gym.scoring.kinds import SCHEDULES, AnyWeights, Kind
from qkd_gym.search.fitness import Exercise, fitness
from qkd_gym.search.recipe import Practice, SearchRecipe
from qkd_gym.workers import Workers

require_extra("search", "cmaes", "matplotlib", "tqdm")

_FIRST_SEED = 10_000  # of training episodes, which end before those of validation
_VALIDATION_EPISODES = 64


class Generation(msgspec.Struct, forbid_unknown_fields=True):
    """A generation as the journal keeps it.

    Attributes:
        shares: Mean of what is searched for, of every candidate.
        validation: That of the running mean on validation episodes, if it was measured.
    """

    shares: list[float]
    validation: float | None = None


@dataclass(frozen=True)
class Search:
    """A search for weights.

    Attributes:
        recipe: How it is done.
        practices: What the candidates play.
        seed: Seed of the search and of its episodes.
        validations: How often the running mean is validated on the way.
        kind: What is scored.
    """

    recipe: SearchRecipe
    practices: tuple[Practice, ...]
    seed: int
    validations: int = 8
    kind: Kind = SCHEDULES

    @property
    def decisions(self) -> int:
        """Decisions that the whole search plays: decision intervals, or where paths are decided
        the mean number of requests, however often one is asked."""
        played = 0
        for practice in self.practices:
            config = practice.config("train")
            n_sites = shared_bank(config).n_sites
            intervals = int(kernel_params(config, n_sites)["intervals"][0])
            each = 1.0
            if self.kind.task.decides_paths:
                each = config.requests_per_site_hour / HOUR_S * n_sites * interval_s(n_sites)
            played += practice.episodes * round(intervals * each)
        return self.recipe.generations * self.recipe.population * played

    def run(
        self,
        team: Workers,
        journal: Path,
        on_generation: Callable[[int, float | None], None] | None = None,
    ) -> tuple[AnyWeights, list[tuple[int, float]]]:
        """Searches, or goes on where the journal ends.

        Args:
            team: Share the candidates.
            journal: File that keeps every generation.
            on_generation: Called after every generation with its number, from 1, and the mean
                share in validation, if it was measured.

        Returns:
            The weights, and the validation curve: generations and mean shares.

        Raises:
            InvalidInput: If the journal cannot be written or is of another search.
        """
        recipe, tell = self.recipe, on_generation or (lambda number, share: None)
        entries, append = self.open_journal(journal)
        start = self.kind.start(recipe.hidden, self.seed)
        evolution = Evolution(start, recipe.population, recipe.spread, self.seed)
        curve = [(0, self.validate(team, start))]
        every = max(1, recipe.generations // self.validations)
        for number in range(1, recipe.generations + 1):
            candidates = evolution.ask()
            is_new = number > len(entries)
            if is_new:
                play = partial(fitness, self._exercises(number))
                entry = Generation(team.do(play, candidates))
            else:
                entry = entries[number - 1]
            evolution.tell(entry.shares)
            if is_new:
                if number % every == 0 or number == recipe.generations:
                    entry.validation = self.validate(team, evolution.found)
                append(entry)
            if entry.validation is not None:
                curve.append((number, entry.validation))
            tell(number, entry.validation)
        return evolution.found, curve

    def open_journal(self, path: Path) -> tuple[list[Generation], Callable[[Generation], None]]:
        """The generations that a journal holds, and a function that appends one.

        Raises:
            InvalidInput: If it cannot be written, is of another search or is damaged.
        """
        entries, append = read_journal(path, self._header(), Generation)
        for entry in entries:
            if len(entry.shares) != self.recipe.population:
                raise InvalidInput(
                    f"journal {shown(str(path))} has a generation of {len(entry.shares)} "
                    f"candidates, but must have {self.recipe.population}."
                )
        return entries, append

    def validate(self, team: Workers, weights: AnyWeights) -> float:
        """Weighted mean of the shares on validation episodes."""
        exercises = [
            Exercise(
                practice.config("validation"),
                min(practice.episodes, _VALIDATION_EPISODES),
                VALIDATION_SEED,
                practice.weight,
            )
            for practice in self.practices
        ]
        total = sum(exercise.weight for exercise in exercises)
        shares = team.do(partial(_one_fitness, weights), exercises)
        return sum(
            exercise.weight / total * share
            for exercise, share in zip(exercises, shares, strict=True)
        )

    def _exercises(self, number: int) -> tuple[Exercise, ...]:
        """The training episodes of a generation; other seeds play others."""
        most = max(practice.episodes for practice in self.practices)
        slots = (VALIDATION_SEED - _FIRST_SEED) // most
        slot = (self.seed * self.recipe.generations + number - 1) % slots
        return tuple(
            Exercise(
                practice.config("train"),
                practice.episodes,
                _FIRST_SEED + slot * most,
                practice.weight,
            )
            for practice in self.practices
        )

    def _header(self) -> dict[str, Any]:
        """What the generations hang on, as JSON gives it back."""
        recipe = self.recipe
        facts = {
            "version": __version__,
            "env": self.kind.task.name,
            "seed": self.seed,
            "hidden": recipe.hidden,
            "population": recipe.population,
            "spread": recipe.spread,
            "validation": max(1, recipe.generations // self.validations),
            "practice": [
                [as_mapping(practice.config("train")), practice.episodes, practice.weight]
                for practice in self.practices
            ],
        }
        return dict(json.loads(json.dumps(facts)))


def _one_fitness(weights: AnyWeights, exercise: Exercise) -> float:
    return fitness([exercise], weights)
