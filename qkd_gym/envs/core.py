"""What the single and the vector environments share: one simulator and its buffers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs import observation, spaces
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.kernel import ACTIVATION, BOTH, ROUTING
from qkd_gym.network.scenarios import resolve
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.state import BIT_NAMES

Scenario = str | NetworkConfig | Mapping[str, Any]
REWARD_TERMS = ("key", "qber")


class Core:
    """A batch of episodes with observations, rewards and infos as arrays.

    Args:
        scenario: Name, configuration or mapping.
        overrides: Fields of the configuration to change.
        batch: Number of episodes side by side.
        decides: What a step decides, see `qkd_gym.network.kernel`.
    """

    def __init__(
        self, scenario: Scenario, overrides: Mapping[str, Any], batch: int, decides: int
    ) -> None:
        self.config = resolve(scenario, overrides)
        self.batch, self.decides = batch, decides
        self.simulator = Simulator(self.config, batch, decides)
        self.generators: list[np.random.Generator] = []
        # Two buffers in turn: whoever still holds the last observation keeps it intact.
        self._buffers = [
            observation.allocate(batch, self.simulator.bank, decides) for _ in range(2)
        ]
        self._turn = 0
        self.names = spaces.field_names(decides)
        self.observation_space = spaces.observation_space(self._buffers[0], decides)
        self.action_space = spaces.action_space(self._buffers[0], decides)
        self.all = np.ones(batch, dtype=bool)

    def reset(self, episodes: Iterable[int]) -> None:
        """Starts new episodes for these members of the batch."""
        self.simulator.reset(episodes, self.generators)

    def step(self, actions: NDArray[np.int64]) -> None:
        """Steps every episode; actions have shape (batch,) or, deciding both, (batch, 2)."""
        paths = links = None
        if self.decides == ACTIVATION:
            links = actions
        elif self.decides == ROUTING:
            paths = actions
        else:
            paths, links = actions[:, 0], actions[:, 1]
        self.simulator.step(paths, links)

    def observe(self) -> dict[str, NDArray[Any]]:
        """Observations of the whole batch, in buffers that are reused two calls later."""
        self._turn = 1 - self._turn
        buffers, sim = self._buffers[self._turn], self.simulator
        sim.run(observation.observe_range, buffers, sim.state, sim.bank, sim.params, self.decides)
        return {name: getattr(buffers, name) for name in self.names}

    def observe_again(self, episodes: Iterable[int]) -> None:
        """Rewrites the last observations of these members, after they were reset."""
        sim = self.simulator
        for b in episodes:
            observation.observe_range(
                b, b + 1, self._buffers[self._turn], sim.state, sim.bank, sim.params, self.decides
            )

    @property
    def masks(self) -> NDArray[np.int8]:
        """Legal actions of the last observations, (batch, actions); the one source of masks."""
        return self._buffers[self._turn].action_mask

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Rewards of the last step, (batch,): the sum of their terms."""
        episodes = self.simulator.state.episodes
        return np.asarray(episodes["key_term"] + episodes["qber_term"])

    def info(self) -> dict[str, Any]:
        """Accounts of the last step as arrays of shape (batch,)."""
        state = self.simulator.state
        columns = state.bits.T.copy()
        accounts: dict[str, Any] = dict(zip(BIT_NAMES, columns, strict=True))
        accounts["qber_weighted_bits"] = state.episodes["qber_bits"].copy()
        accounts["elapsed_s"] = state.episodes["interval"] * self.simulator.params["interval_s"][0]
        accounts["reward_terms"] = {
            name: state.episodes[f"{name}_term"].copy() for name in REWARD_TERMS
        }
        return accounts


__all__ = ["ACTIVATION", "BOTH", "ROUTING", "Core", "Scenario"]
