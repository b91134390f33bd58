"""From a rule per decision to a policy that fits any of the environments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput

Observation = Mapping[str, NDArray[Any]]
Memory = dict[str, NDArray[Any]]  # arrays with a leading batch axis


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


class RuleWithMemory(ABC):
    """A rule that carries something from one decision to the next.

    To be inherited from: asking at every step whether a rule fits a protocol costs more than
    stepping a small batch.
    """

    @abstractmethod
    def decide(
        self, obs: Observation, mask: NDArray[np.bool_], memory: Memory, starting: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Memory]:
        """One choice per observation, and what to remember.

        Args:
            obs: Observations with a leading batch axis B.
            mask: Legal choices, shape (B, choices); the last choice is always legal.
            memory: What the last call returned; empty at the first call.
            starting: Members whose episode begins with this observation, shape (B,); what is
                remembered of them is void.
        """


AnyRule = Rule | RuleWithMemory


@dataclass(frozen=True)
class RulePolicy:
    """Plays an environment by one rule per decision that it asks for.

    What a rule remembers is the policy's state, as recurrent policies have it in
    Stable-Baselines3: hand the returned state to the next call, with ``episode_start``. Without a
    state every call is the first of an episode. Rules without memory do not care.

    Attributes:
        name: Name for reports.
        activation: Rule for links, or None if the policy has no opinion on them.
        routing: Rule for paths, likewise.
        fallback_activation: Rule for links where both are decided and ``activation`` is None.
        fallback_routing: Rule for paths, likewise.
    """

    name: str
    activation: AnyRule | None
    routing: AnyRule | None
    fallback_activation: AnyRule
    fallback_routing: AnyRule

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
            start = None if episode_start is None else np.atleast_1d(episode_start)
            actions, state = self.predict(single, state, start)
            return actions[0], state
        mask = np.asarray(obs["action_mask"], dtype=bool)
        batch, link_choices = len(mask), obs["links"].shape[1] + 1
        starting = np.ones(batch, dtype=bool)
        if state is not None:
            starting = np.zeros(batch, dtype=bool) if episode_start is None else episode_start
        memory = state or {}
        if "paths" not in obs:
            rule = self._known(self.activation, "links")
            actions, links = _apply(rule, obs, mask, memory.get("links", {}), starting)
            return actions, {"links": links}
        path_choices = obs["paths"].shape[1] + 1
        if mask.shape[1] == path_choices:
            rule = self._known(self.routing, "paths")
            actions, paths = _apply(rule, obs, mask, memory.get("paths", {}), starting)
            return actions, {"paths": paths}
        path, paths = _apply(
            self.routing or self.fallback_routing,
            obs,
            mask[:, :path_choices],
            memory.get("paths", {}),
            starting,
        )
        link, links = _apply(
            self.activation or self.fallback_activation,
            obs,
            mask[:, -link_choices:],
            memory.get("links", {}),
            starting,
        )
        return np.stack([path, link], axis=1), {"links": links, "paths": paths}

    def _known(self, rule: AnyRule | None, what: str) -> AnyRule:
        if rule is None:
            raise InvalidInput(f"policy is {self.name!r}, but must be one that chooses {what}.")
        return rule


def _apply(
    rule: AnyRule,
    obs: Observation,
    mask: NDArray[np.bool_],
    memory: Memory,
    starting: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], Memory]:
    if isinstance(rule, RuleWithMemory):
        return rule.decide(obs, mask, memory, starting)
    return rule(obs, mask), memory
