"""What is trained in each study: forms that differ in one thing, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING
from qkd_gym.gnn.compiled.viability import Embedder
from qkd_gym.sb3 import GraphFeaturesExtractor
from qkd_gym.sb3.recipe import Recipe, load_recipe
from qkd_gym.search.recipe import SearchRecipe, load_search_recipe

AGENTS = Path(__file__).parents[1] / "agents"
RECIPES = AGENTS / f"{LINK_SCHEDULING.name}.toml"


@dataclass(frozen=True)
class Variant(Recipe):
    """A recipe with further arguments of the policy.

    Attributes:
        policy: The arguments.
    """

    policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def policy_class(self) -> tuple[type[Any], dict[str, Any]]:
        """The class of the policy and its arguments."""
        kind, arguments = super().policy_class
        return kind, {**arguments, **self.policy}


@dataclass(frozen=True)
class Form:
    """One way to train.

    Attributes:
        title: What tables call it.
        recipe: A search, or reinforcement learning.
        changes: Fields of the configuration to change.
        starts_from: Form whose schedule, found from the same seed, is adviser and control policy;
            empty for what the recipe says.
    """

    title: str
    recipe: SearchRecipe | Recipe
    changes: Mapping[str, Any] = field(default_factory=dict)
    starts_from: str = ""


@dataclass(frozen=True)
class Study:
    """Forms that are trained from the same seeds and validated on the same episodes.

    Attributes:
        title: Heading of its part of the page.
        scenario: Scenario of its networks.
        steps: Steps of reinforcement learning.
        forms: The forms by name; one that another starts from comes before it.
        env_id: Environment that is trained for.
        episodes: Episodes of a validation.
        validations: Validations on the way, after the one at the start.
    """

    title: str
    scenario: str
    steps: int
    forms: Mapping[str, Form]
    env_id: str = LINK_SCHEDULING.env_id
    episodes: int = 64
    validations: int = 8

    def of(self, names: Sequence[str]) -> Study:
        """The study with some of its forms, those that they start from too.

        Args:
            names: The forms; empty for all.
        """
        before = [self.forms[name].starts_from for name in names]
        kept = {name: form for name, form in self.forms.items() if name in (*names, *before)}
        return dataclasses.replace(self, forms=kept) if names else self

    def scaled(self, effort: float) -> Study:
        """The study with trainings of another length.

        Args:
            effort: Multiplies steps and generations, and the validations, of which three stay.
        """
        forms = {
            name: dataclasses.replace(
                form,
                recipe=dataclasses.replace(
                    form.recipe, generations=max(1, round(form.recipe.generations * effort))
                ),
            )
            if isinstance(form.recipe, SearchRecipe)
            else form
            for name, form in self.forms.items()
        }
        return dataclasses.replace(
            self,
            steps=max(1, round(self.steps * effort)),
            validations=max(3, round(self.validations * effort)),
            forms=forms,
        )


class WithoutNetwork(GraphFeaturesExtractor):
    """The features extractor without the viability network: every embedding is zero."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for weight in self.viability.parameters():
            nn.init.zeros_(weight)
        self._embed = Embedder(self.viability)


FROM_SCHEDULE = load_recipe(RECIPES, "pointer")
# The step size is that of the recipe of LinkActivation, which starts from this rule.
FROM_RULE = dataclasses.replace(
    FROM_SCHEDULE,
    adviser="demand-deficit",
    control_policy="demand-deficit",
    learning_rate=8e-3,
)
# Rewards without a control policy have a larger variance.
FROM_NOTHING = dataclasses.replace(FROM_RULE, adviser="", control_policy="", reward_scale=0.05)
# Fewer generations than the shipped recipe has: validation is nearly flat after them.
SEARCH = dataclasses.replace(load_search_recipe(RECIPES, "search"), generations=60)


# A step in LinkActivation is a whole interval, which makes learning and validation cheaper.
ACTIVATION_FROM_RULE = load_recipe(AGENTS / f"{LINK_ACTIVATION.name}.toml", "pointer")
ACTIVATION_FROM_NOTHING = dataclasses.replace(
    ACTIVATION_FROM_RULE, adviser="", control_policy="", learning_rate=3e-3, reward_scale=0.05
)


def with_policy(**policy: Any) -> Variant:
    """`ACTIVATION_FROM_NOTHING` with further arguments of the policy."""
    base = ACTIVATION_FROM_NOTHING
    return Variant(
        **{one.name: getattr(base, one.name) for one in dataclasses.fields(base)}, policy=policy
    )


NETWORKS = {
    "none": Form("none", with_policy(features_extractor_class=WithoutNetwork)),
    "frozen": Form("pretrained, frozen", ACTIVATION_FROM_NOTHING),
    "tuned": Form(
        "pretrained, learns on", with_policy(features_extractor_kwargs={"frozen": False})
    ),
    "scratch": Form(
        "untrained, learns",
        with_policy(features_extractor_kwargs={"frozen": False, "pretrained": False}),
    ),
}

STUDIES = {
    "learning": Study(
        "What learns, how fast",
        "metro",
        256_000,
        {
            "search": Form("search", SEARCH),
            "nothing": Form("PPO from nothing", FROM_NOTHING),
            "rule": Form("PPO from demand-deficit", FROM_RULE),
            "schedule": Form("PPO from the searched schedule", FROM_SCHEDULE, starts_from="search"),
        },
    ),
    **{
        f"ablation-{scenario}": Study(
            f"What the pretrained network is worth to the graph policy on {scenario}",
            scenario,
            256_000,
            NETWORKS,
            LINK_ACTIVATION.env_id,
        )
        for scenario in ("metro", "hidden")
    },
    "front": Study(
        "Delivered key against QBER",
        "metro",
        256_000,
        {
            f"weight-{weight:g}": Form(f"{weight:g}", ACTIVATION_FROM_RULE, {"qber_weight": weight})
            for weight in (0.0, 3.0, 30.0)
        },
        LINK_ACTIVATION.env_id,
    ),
}
