"""The lean rollout buffer gives what that of sb3-contrib gives."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer

from qkd_gym.sb3.rollout import LeanRolloutBuffer

STEPS, MEMBERS, CHOICES = 5, 3, 4


def filled(buffer, rng):
    buffer.reset()
    for _ in range(STEPS):
        observation = {
            "table": rng.random((MEMBERS, 2, 3), dtype=np.float32),
            "flags": rng.integers(0, 2, (MEMBERS, 6), dtype=np.int8),
        }
        buffer.add(
            observation,
            rng.integers(0, CHOICES, (MEMBERS, 1)),
            rng.random(MEMBERS),
            rng.random(MEMBERS) < 0.2,
            torch.as_tensor(rng.random((MEMBERS, 1))),
            torch.as_tensor(rng.random(MEMBERS)),
            action_masks=rng.random((MEMBERS, CHOICES)) < 0.5,
        )
    buffer.compute_returns_and_advantage(torch.zeros(MEMBERS, 1), np.zeros(MEMBERS, bool))
    return buffer


def test_minibatches_are_those_of_the_base_class(monkeypatch):
    space = spaces.Dict(
        {"table": spaces.Box(0, 1, (2, 3), np.float32), "flags": spaces.MultiBinary(6)}
    )
    forms = MaskableDictRolloutBuffer, LeanRolloutBuffer
    plain, lean = (form(STEPS, space, spaces.Discrete(CHOICES), n_envs=MEMBERS) for form in forms)
    for rollout in range(3):
        drawn = []
        for buffer in (plain, lean):
            filled(buffer, np.random.default_rng(rollout))
            monkeypatch.setattr(np.random, "permutation", np.random.default_rng(7).permutation)
            drawn.append([batch for _ in range(2) for batch in buffer.get(4)])
        assert len(drawn[0]) == len(drawn[1]) == 8
        for one, other in zip(*drawn, strict=True):
            for name, tensor in one.observations.items():
                assert torch.equal(tensor, other.observations[name])
            for tensor, same in zip(one[1:], other[1:], strict=True):
                assert torch.equal(tensor, same)
