"""From a rule per decision to a policy that fits any of the environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput

Observation = Mapping[str, NDArray[Any]]


class Policy(Protocol):
    """Anything that decides on observations, as Stable-Baselines3 has it."""

    def predict(
        self,
        obs: Observation,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Actions for one observation or a batch of them, and the policy's next state."""


class Rule(Protocol):
    """Decides one thing, links or paths, for a batch of observations."""

    def __call__(self, obs: Observation, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """One choice per observation.

        Args:
            obs: Observations with a leading batch axis B.
            mask: Legal choices, shape (B, choices); the last choice is always legal.

        Returns:
            Legal choices, shape (B,).
        """


@dataclass(frozen=True)
class RulePolicy:
    """Plays an environment by one rule per decision that it asks for.

    Attributes:
        name: Name for reports.
        activation: Rule for links, or None if the policy has no opinion on them.
        routing: Rule for paths, likewise.
        fallback_activation: Rule for links where both are decided and ``activation`` is None.
        fallback_routing: Rule for paths, likewise.
    """

    name: str
    activation: Rule | None
    routing: Rule | None
    fallback_activation: Rule
    fallback_routing: Rule

    def predict(
        self,
        obs: Observation,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Actions for one observation or, with a leading axis on every array, for a batch.

        Raises:
            InvalidInput: If the environment decides nothing that the policy has a rule for.
        """
        if obs["links"].ndim == 2:
            single = {name: np.asarray(array)[None] for name, array in obs.items()}
            actions, state = self.predict(single, state)
            return actions[0], state
        mask = np.asarray(obs["action_mask"], dtype=bool)
        link_choices = obs["links"].shape[1] + 1
        if "paths" not in obs:
            return self._known(self.activation, "links")(obs, mask), state
        path_choices = obs["paths"].shape[1] + 1
        if mask.shape[1] == path_choices:
            return self._known(self.routing, "paths")(obs, mask), state
        path = (self.routing or self.fallback_routing)(obs, mask[:, :path_choices])
        link = (self.activation or self.fallback_activation)(obs, mask[:, -link_choices:])
        return np.stack([path, link], axis=1), state

    def _known(self, rule: Rule | None, what: str) -> Rule:
        if rule is None:
            raise InvalidInput(f"policy is {self.name!r}, but must be one that chooses {what}.")
        return rule
