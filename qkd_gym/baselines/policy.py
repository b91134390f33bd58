"""From a rule per decision to a policy that fits any of the environments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.tasks import task_of
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
        routing: Rule for paths, or None if the policy has no opinion on them.
        fallback_activation: Rule for links where both are decided and ``activation`` is None.
        fallback_routing: Rule for paths where both are decided and ``routing`` is None.
        env_id: Environment that it is meant for; None for any that decides what it has rules for.
    """

    name: str
    activation: AnyRule | None
    routing: AnyRule | None
    fallback_activation: AnyRule
    fallback_routing: AnyRule
    env_id: str | None = None

    def watch(self, env: Any) -> None:
        """Shows the rules that plan on models of it the environment that is played.

        Args:
            env: A vector environment, before its first reset.

        Raises:
            InvalidInput: If a rule plays another environment.
        """
        for rule in (self.activation, self.routing):
            if rule is not None and hasattr(rule, "watch"):
                rule.watch(env)

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
        task = task_of(obs)
        mask = np.asarray(obs["action_mask"], dtype=bool)
        asked = []
        if task.decides_paths:
            paths = mask[:, : obs["paths"].shape[1] + 1]
            asked.append(("paths", self.routing, self.fallback_routing, paths))
        if task.decides_links:
            links = mask[:, -(obs["links"].shape[1] + 1) :]
            asked.append(("links", self.activation, self.fallback_activation, links))
        starting = np.full(len(mask), state is None)
        if state is not None and episode_start is not None:
            starting = episode_start
        choices, memory = [], dict(state or {})
        for what, rule, fallback, legal in asked:
            if rule is None and len(asked) == 1:
                raise InvalidInput(f"policy is {self.name!r}, but must be one that chooses {what}.")
            rule = rule or fallback
            if isinstance(rule, RuleWithMemory):
                chosen, memory[what] = rule.decide(obs, legal, memory.get(what, {}), starting)
            else:
                chosen = rule(obs, legal)
            choices.append(chosen)
        return (choices[0] if len(choices) == 1 else np.stack(choices, axis=1)), memory
