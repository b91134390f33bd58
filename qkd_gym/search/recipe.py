"""What a search is told: how many weights, on which episodes, how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qkd_gym.errors import InvalidInput, require_known_keys, shown
from qkd_gym.fields import check_fields, choice, integer, number
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import resolve
from qkd_gym.reading import read_table

METHOD = "search"


@dataclass(frozen=True)
class Practice:
    """Episodes that every candidate of a generation plays.

    Attributes:
        scenario: Name of a scenario.
        changes: Fields of `NetworkConfig` to change.
        episodes: Episodes per generation, the same for all its candidates.
        weight: Weight of the mean share among all practices.

    Raises:
        InvalidInput: On a value outside its range, or an unknown scenario or field.
    """

    scenario: str = "metro"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    episodes: int = integer(96, 1, 10_000)
    weight: float = number(1.0, 0.0, 1e6, low_open=True)

    def __post_init__(self) -> None:
        check_fields(self)
        if not isinstance(self.changes, Mapping):
            raise InvalidInput(f"changes is {shown(self.changes)}, but must be a table.")
        self.config("train")

    def config(self, split: str) -> NetworkConfig:
        """The configuration, with networks of a split."""
        return resolve(self.scenario, {**self.changes, "split": split})


@dataclass(frozen=True)
class SearchRecipe:
    """How the weights of a scorer are searched.

    Attributes:
        method: Tells these recipes from those of other methods in the same file.
        hidden: Hidden units of the scorer; none for a linear one.
        population: Candidates of a generation, an even number: each has its mirror image.
        generations: Number of generations.
        spread: Spread of the first candidates, in units of `weights.step_sizes`.
        episodes: Episodes per generation of the scenario, where no practice is given.
        practice: Scenarios to be good at together; empty for the one that is trained for.

    Raises:
        InvalidInput: On a value outside its range.
    """

    method: str = choice(METHOD, (METHOD,))
    hidden: int = integer(0, 0, 64)
    population: int = integer(20, 4, 10_000)
    generations: int = integer(60, 1, 1_000_000)
    spread: float = number(0.5, 0.0, 10.0, low_open=True)
    episodes: int = integer(96, 1, 10_000)
    practice: tuple[Practice, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.population % 2:
            raise InvalidInput(f"population is {self.population}, but must be even.")

    def practices(self, scenario: str, changes: Mapping[str, Any]) -> tuple[Practice, ...]:
        """What the candidates play: the recipe's own practice, or else this scenario."""
        return self.practice or (Practice(scenario, changes, self.episodes),)


def load_search_recipe(path: Path, name: str) -> SearchRecipe:
    """A recipe of a TOML file.

    Args:
        path: The file, in which every table is a recipe of this or another kind.
        name: Which one.

    Raises:
        InvalidInput: If the file cannot be read, or the table is missing or has an unknown or bad
            field.
    """
    owner, table = f"recipe {shown(name)} of {shown(path.name)}", read_table(path, "recipes", name)
    require_known_keys(owner, table, SearchRecipe.__dataclass_fields__)
    rows = table.get("practice", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(f"{owner}: practice is {shown(rows)}, but must be a list of tables.")
    try:
        for row in rows:
            require_known_keys("practice", row, Practice.__dataclass_fields__)
        return SearchRecipe(**{**table, "practice": tuple(Practice(**row) for row in rows)})
    except InvalidInput as error:
        raise InvalidInput(f"{owner}: {error}") from None
