"""Steps a masked policy through TorchRL's GymEnv, one environment and several of them.

``ActionMask`` reads the observation's mask before every action, so that ``MaskedCategorical`` and
random rollouts draw legal actions only. Run it with ``python examples/torchrl_env.py``, with the
extra ``examples``. Tested with torchrl 0.14.1, tensordict 0.14.3, torch 2.13.0, gymnasium 1.4.0.
"""

from __future__ import annotations

from functools import partial

import torch
from tensordict.nn import ProbabilisticTensorDictModule, TensorDictModule
from tensordict.nn import ProbabilisticTensorDictSequential as Sequence
from torch import nn
from torchrl.envs import (
    ActionMask,
    Compose,
    DTypeCastTransform,
    GymEnv,
    SerialEnv,
    TransformedEnv,
)
from torchrl.modules import MaskedCategorical

import qkd_gym  # noqa: F401  (registers the environments)
from qkd_gym.features import LINK_FEATURES

ENV_ID = "qkd_gym/LinkActivation-v0"


def unmasked(**scenario):
    """An environment with categorical actions, as the masked distribution draws them."""
    return GymEnv(ENV_ID, categorical_action_encoding=True, **scenario)


def masked(env):
    """The environment, or a batch of them, under its mask; a batch draws by its own transforms."""
    truth = DTypeCastTransform(torch.int8, torch.bool, in_keys=["action_mask"])
    return TransformedEnv(env, Compose(truth, ActionMask()))


def make(**scenario):
    """An environment under its mask."""
    return masked(unmasked(**scenario))


def make_batched(num_envs, **scenario):
    """Environments stepped in turn; `ParallelEnv` in place of `SerialEnv` gives each a process."""
    return masked(SerialEnv(num_envs, partial(unmasked, **scenario)))


class Score(nn.Module):
    """A logit per link from its features, and a constant one to hold."""

    def __init__(self):
        super().__init__()
        self.link = nn.Linear(len(LINK_FEATURES), 1)
        self.hold = nn.Parameter(torch.zeros(1))

    def forward(self, links):
        """Logits, (..., E + 1)."""
        scores = self.link(links)[..., 0]
        return torch.cat([scores, self.hold.expand(*scores.shape[:-1], 1)], dim=-1)


def make_policy():
    """A policy that never draws an illegal action."""
    return Sequence(
        TensorDictModule(Score(), in_keys=["links"], out_keys=["logits"]),
        ProbabilisticTensorDictModule(
            in_keys={"logits": "logits", "mask": "action_mask"},
            out_keys=["action"],
            distribution_class=MaskedCategorical,
            return_log_prob=True,
        ),
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    for env in (make(scenario="metro"), make_batched(4, scenario="metro")):
        env.set_seed(0)
        rollout = env.rollout(100, make_policy(), break_when_any_done=False)
        reward = rollout["next", "reward"].sum(-2).mean().item()
        print(f"batch {tuple(rollout.batch_size)}: mean return {reward:.2f}")
        env.close()
