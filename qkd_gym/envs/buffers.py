"""What steps hand out, in arrays that are written again only when nobody can see it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.observation import Observation, allocate, readable
from qkd_gym.envs.tasks import Task
from qkd_gym.envs.transition import Results, allocate_results
from qkd_gym.network.accounts import ACCOUNT_NAMES
from qkd_gym.network.reward import term_names
from qkd_gym.network.simulator import Simulator

_KEPT = 4


class Frame:
    """The arrays of one step, and the views of them that readers get, made once.

    Args:
        simulator: The episodes, which set the shapes.
        task: What a step decides, which sets the fields of observations.

    Attributes:
        buffer: Observations as the kernel writes them.
        results: What the kernel returns beside them.
        observations: Observations as readers know them.
        only: The observation of the only episode, empty if there are several.
        accounts: Accounts of the step, each of shape (batch,), the legal actions, and that every
            member has them, under names with an underscore as Gymnasium wants it.
        terms: Terms of the reward, each of shape (batch,).
        masks: Legal actions, (batch, actions).
    """

    def __init__(self, simulator: Simulator, task: Task) -> None:
        batch = len(simulator.arrays.episodes)
        self.buffer: Observation = allocate(simulator.arrays, simulator.bank, task)
        names = term_names(simulator.config.reward_weights)
        self.results: Results = allocate_results(batch, len(names))
        self.observations = readable(self.buffer, task)
        one = batch == 1
        self.only = {name: each[0] for name, each in self.observations.items()} if one else {}
        results = self.results
        self.accounts: dict[str, NDArray[Any]] = dict(
            zip(ACCOUNT_NAMES, results.accounts, strict=True)
        )
        self.accounts["qber_weighted_bits"] = results.qber_weighted_bits
        self.accounts["offered_value_bits"] = results.offered_value_bits
        self.accounts["delivered_value_bits"] = results.delivered_value_bits
        self.accounts["elapsed_s"] = results.elapsed_s
        self.terms = dict(zip(names, results.reward_terms, strict=True))
        self.masks: NDArray[np.bool_] = self.buffer.action_mask.view(np.bool_)
        self.accounts["action_mask"] = self.masks
        present = np.ones(batch, dtype=bool)
        self.accounts |= {f"_{name}": present for name in (*self.accounts, "reward_terms")}
        # Views of what is handed out count as references to its base.
        every = (
            *self.observations.values(), *self.only.values(), *self.accounts.values(),
            *self.terms.values(), results.reward, results.over, results.terminated,
            self.buffer.links.base, results.accounts.base,
        )  # fmt: skip
        self._arrays = tuple({id(array): array for array in every}.values())
        del every, present, results
        self._unused = self._references()

    def _references(self) -> int:
        return sum(map(sys.getrefcount, self._arrays))

    @property
    def is_free(self) -> bool:
        """Whether nobody else refers to any array; views and tensors of one count."""
        return self._references() == self._unused


class Frames:
    """Hands out frames that the caller of the environment holds no part of.

    What a step returns then belongs to whoever got it, as if it were copied, and costs no copy: a
    caller who drops each observation gets two frames in turn, one who keeps them all gets a new
    one each time.

    Args:
        simulator: The episodes, which set the shapes.
        task: What a step decides, which sets the fields of observations.
    """

    def __init__(self, simulator: Simulator, task: Task) -> None:
        self._shape = (simulator, task)
        self._frames: list[Frame] = []

    def free(self) -> Frame:
        """A frame that nobody refers to."""
        # The one given longest ago first: looking at one is a tenth of what Python does in a step.
        for i, frame in enumerate(self._frames):
            if frame.is_free:
                self._frames.append(self._frames.pop(i))
                return frame
        if len(self._frames) == _KEPT:
            del self._frames[0]  # it is the caller's now
        self._frames.append(Frame(*self._shape))
        return self._frames[-1]
