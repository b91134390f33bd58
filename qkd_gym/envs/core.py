"""What the single and the vector environments share: one simulator and its buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs import spaces
from qkd_gym.envs.buffers import Frames
from qkd_gym.envs.observation import allocate
from qkd_gym.envs.transition import Results, allocate_results, play, start_some
from qkd_gym.errors import InvalidInput
from qkd_gym.network.compiled.jit import specialised
from qkd_gym.network.compiled.workspace import new_workspace
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.dynamics.step import ACTIVATION, BOTH, ROUTING
from qkd_gym.network.scenarios import resolve
from qkd_gym.network.sharing import new_board
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.threads import Team

Scenario = str | NetworkConfig | Mapping[str, Any]


class Core:
    """A batch of episodes with observations, rewards and infos as arrays.

    Args:
        scenario: Name, configuration or mapping.
        overrides: Fields of the configuration to change.
        batch: Number of episodes side by side.
        decides: What a step decides, see `qkd_gym.network.dynamics.step`.

    Attributes:
        frame: What the last step or start returned; the next one writes into another frame
            unless nobody refers to an array of this one.
    """

    def __init__(
        self, scenario: Scenario, overrides: Mapping[str, Any], batch: int, decides: int
    ) -> None:
        self.config = resolve(scenario, overrides)
        self.batch, self.decides = batch, decides
        self.simulator = Simulator(self.config, batch, decides)
        self.generators: list[np.random.Generator] = []
        names = spaces.field_names(decides)
        self._frames = Frames(batch, self.simulator.bank, decides, names)
        self.frame = self._frames.free()
        self.observation_space = spaces.observation_space(self.frame.buffer, decides)
        self.action_space = spaces.action_space(self.frame.buffer, decides)
        self._undecided = np.zeros(batch, dtype=np.int64)
        self._actions_shape = (batch, 2) if decides == BOTH else (batch,)
        self._team: Team | None = None

    def start(self) -> None:
        """Starts all episodes."""
        self.frame = self._frames.free()
        self._start(range(self.batch), self.frame.results)

    def restart(self, episodes: Sequence[int] | NDArray[np.integer]) -> None:
        """Starts new episodes for these members, and observes them in the last observation.

        The results of their last step stay.
        """
        self._start(episodes, allocate_results(self.batch))

    def _start(self, episodes: Sequence[int] | NDArray[np.integer], results: Results) -> None:
        sim = self.simulator
        drawn = sim.draw(episodes, self.generators)
        fixed = (sim.arrays, sim.bank, sim.params, self.decides, sim.work)
        start_some(*drawn, *fixed, self.frame.buffer, results)

    def step(self, actions: NDArray[np.int64]) -> None:
        """Steps every episode; actions have shape (batch,) or, deciding both, (batch, 2).

        Raises:
            InvalidInput: If they have another shape.
        """
        actions = np.ascontiguousarray(actions)
        if actions.shape != self._actions_shape:
            raise InvalidInput(
                f"actions has shape {actions.shape}, but must have {self._actions_shape}."
            )
        paths = links = self._undecided
        if self.decides == ACTIVATION:
            links = actions
        elif self.decides == ROUTING:
            paths = actions
        else:
            paths, links = np.ascontiguousarray(actions.T)
        self.frame = frame = self._frames.free()
        if self._team is None:
            self._team = self._gather()
        self._team((paths, links, frame.buffer, frame.results))

    def _gather(self) -> Team:
        sim, nobody = self.simulator, np.zeros(0, np.int64)
        like = (nobody, nobody, allocate(0, sim.bank, self.decides), allocate_results(0))
        fixed = (sim.arrays, sim.bank, sim.params, self.decides)
        work = partial(new_workspace, sim.arrays)
        step = specialised(play, *fixed, 0, *new_board([0, 0]), work(), like)
        return Team(self.batch, partial(step, *fixed), work, like)

    def observe(self) -> dict[str, NDArray[Any]]:
        """The last observations of the whole batch; the arrays are the caller's."""
        return self.frame.observations.copy()

    @property
    def results(self) -> Results:
        """What the last step or start returned beside observations, as the kernel wrote it."""
        return self.frame.results

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Legal actions of the last observations, (batch, actions); the one source of masks."""
        return self.frame.masks

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Rewards of the last step, (batch,): the sum of their terms."""
        return self.frame.rewards

    def info(self) -> dict[str, Any]:
        """Accounts of the last step as arrays of shape (batch,), the legal actions, and that every
        member has them."""
        accounts: dict[str, Any] = self.frame.accounts.copy()
        accounts["reward_terms"] = self.frame.terms.copy()
        return accounts


__all__ = ["ACTIVATION", "BOTH", "ROUTING", "Core", "Scenario"]
