"""Where the time of a training goes, by part.

At any time the innermost part that is entered is charged, so parts sum to the whole. A part is
entered by calling one of its functions; whatever happens outside all of them is the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy

from qkd_gym.baselines.policy import RulePolicy
from qkd_gym.envs.vector import QKDVectorEnv
from qkd_gym.sb3 import LinkPointerPolicy, QKDVecEnv, policy, vec_env
from qkd_gym.sb3.rollout import Rollouts

SIMULATOR = "simulator"
ADAPTER = "adapter of the environments"
RULES = "baseline rules"
FROZEN = "frozen network"
FORWARD = "trained network, rollouts"
AGAIN = "trained network, updates"
BACKWARD = "backward pass"
BUFFER = "buffer"
OPTIMIZER = "optimizer"
REST = "the rest"

# The functions of each part, by the class or module that has them.
FUNCTIONS: dict[str, tuple[tuple[Any, tuple[str, ...]], ...]] = {
    SIMULATOR: ((QKDVectorEnv, ("reset", "step")),),
    ADAPTER: ((QKDVecEnv, ("reset", "step_wait")),),
    RULES: ((RulePolicy, ("predict",)), (vec_env, ("advise",)), (policy, ("advise",))),
    FROZEN: ((LinkPointerPolicy, ("prepare",)),),
    FORWARD: tuple(
        (owner, ("forward", "predict_values"))
        for owner in (ActorCriticPolicy, MaskableActorCriticPolicy, LinkPointerPolicy)
    ),
    AGAIN: tuple(
        (owner, ("evaluate_actions",))
        for owner in (ActorCriticPolicy, MaskableActorCriticPolicy, LinkPointerPolicy)
    ),
    BACKWARD: ((torch.Tensor, ("backward",)),),
    BUFFER: (
        (Rollouts, ("add_decisions", "add_results", "add_values_beyond", "finish", "select")),
        (RolloutBuffer, ("compute_returns_and_advantage",)),
        (DictRolloutBuffer, ("add", "_get_samples")),
        (MaskableDictRolloutBuffer, ("add", "_get_samples")),
    ),
    OPTIMIZER: (
        (torch.optim.Optimizer, ("zero_grad",)),
        (torch.optim.Adam, ("step",)),
        (torch.nn.utils, ("clip_grad_norm_",)),
    ),
}
# What a table of many forms shows.
GROUPS = {
    "forward": (FROZEN, FORWARD, AGAIN),
    "backward": (BACKWARD,),
    "environment": (SIMULATOR, ADAPTER, RULES),
    "rest": (BUFFER, OPTIMIZER, REST),
}


class Account:
    """Seconds by part.

    Args:
        clock: Seconds of any clock.

    Attributes:
        spent_s: Seconds of every part, up to the last time that a part began or ended.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.spent_s = dict.fromkeys([*FUNCTIONS, REST], 0.0)
        self._clock, self._since = clock, clock()
        self._entered = [REST]

    def charge(self) -> None:
        """Charges the innermost part with the time since the last charge."""
        now = self._clock()
        self.spent_s[self._entered[-1]] += now - self._since
        self._since = now

    def charged(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose calls enter the part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.charge()
            self._entered.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.charge()
                self._entered.pop()

        return call


@contextmanager
def account() -> Iterator[Account]:
    """Keeps an account of the CPU time of all that is called while the context lasts."""
    with ExitStack() as patches:
        kept = Account()
        for part, functions in FUNCTIONS.items():
            for owner, names in functions:
                for name in names:
                    counted = kept.charged(part, getattr(owner, name))
                    patches.enter_context(patch.object(owner, name, counted))
        yield kept
        kept.charge()


def shares(learn: Callable[[int], object], steps: int) -> dict[str, float]:
    """Shares of the CPU time of a training by part, which sum to one."""
    with account() as kept:
        learn(steps)
    whole = sum(kept.spent_s.values())
    return {part: seconds / whole for part, seconds in kept.spent_s.items()}


def grouped(shares: dict[str, float]) -> dict[str, float]:
    """Shares by `GROUPS`."""
    return {name: sum(shares[part] for part in parts) for name, parts in GROUPS.items()}
