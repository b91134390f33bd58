"""A scored schedule as a policy that sees observations alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.tasks import LINK_SCHEDULING, task_of
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.network.compiled.memory import padded
from qkd_gym.scoring.choice import Scratch, new_scratch
from qkd_gym.scoring.play import choose_all
from qkd_gym.scoring.weights import Weights, as_vector


class Choices(NamedTuple):
    """What a scored schedule thinks of B observations.

    Attributes:
        links: The next switch, E to hold, shape (B,).
        gains: Worth of switching each link on, less the price of those that make way, shape
            (B, E); minus infinity where that is no option.
        makes_way: Link that each site would give up, -1 where a module is free, the number of links
            where none may be switched, shape (B, N).
    """

    links: NDArray[np.int64]
    gains: NDArray[np.float32]
    makes_way: NDArray[np.int64]


@dataclass(frozen=True)
class ScoredSchedule:
    """Switches the link whose worth exceeds the price of those that make way by the most.

    It plays `LinkScheduling` with networks of any size.

    Attributes:
        weights: What links are worth.
        name: Name for reports.
    """

    env_id: ClassVar[str] = LINK_SCHEDULING.env_id

    weights: Weights
    name: str = "scored-schedule"

    def digest(self) -> str:
        """Changes with the weights, as hexadecimal digits."""
        return hashlib.sha256(as_vector(self.weights).tobytes()).hexdigest()

    def predict(
        self,
        obs: Mapping[str, NDArray[Any]],
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Actions for one observation or, with a leading axis on every array, for a batch.

        Raises:
            InvalidInput: If the observations are not of `LinkScheduling`.
        """
        if obs["links"].ndim == 2:
            single = {name: np.asarray(array)[None] for name, array in obs.items()}
            return self.predict(single)[0][0], state
        return self.choices(obs).links, state

    def choices(self, obs: Mapping[str, NDArray[Any]], scratch: Scratch | None = None) -> Choices:
        """The next switches and why.

        Args:
            obs: Observations with a leading axis B.
            scratch: Scratch space for their links and sites, which afterwards holds what the last
                choice was made by.

        Raises:
            InvalidInput: If the observations are not of `LinkScheduling`.
        """
        task = task_of(obs)
        if task is not LINK_SCHEDULING:
            raise InvalidInput(
                f"policy is {shown(self.name)}, but must be one that plays {task.name}."
            )
        batch, n_links, n_features = obs["links"].shape
        links = np.zeros((batch, n_features, padded(n_links)), np.float32)
        links[:, :, :n_links] = obs["links"].transpose(0, 2, 1)
        nodes = np.ascontiguousarray(obs["nodes"].transpose(0, 2, 1), np.float32)
        choices = Choices(
            links=np.empty(batch, np.int64),
            gains=np.full((batch, n_links), -np.inf, np.float32),
            makes_way=np.empty((batch, nodes.shape[2]), np.int64),
        )
        choose_all(
            self.weights,
            links,
            nodes,
            np.ascontiguousarray(obs["link_endpoints"], np.int64),
            np.ascontiguousarray(obs["link_mask"], np.int8),
            np.ascontiguousarray(obs["action_mask"], np.int8),
            np.ascontiguousarray(obs["context"], np.float32),
            np.ascontiguousarray(obs["setting"], np.float32),
            scratch or new_scratch(n_links, nodes.shape[2]),
            *choices,
        )
        return choices
