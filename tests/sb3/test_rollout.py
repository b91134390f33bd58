"""Rollouts give the samples, advantages and returns that sb3-contrib's buffer gives."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer

from qkd_gym.sb3.rollout import Rollouts

STEPS, MEMBERS, CHOICES = 5, 4, 4
ALL = slice(0, MEMBERS)


def steps(rng):
    """Everything about a step, for both kinds of buffers."""
    for _ in range(STEPS):
        yield {
            "observation": {
                "table": rng.random((MEMBERS, 2, 3), dtype=np.float32),
                "flags": rng.integers(0, 2, (MEMBERS, 6), dtype=np.int8),
                "ends": rng.integers(0, 2, (MEMBERS, 2), dtype=np.int16),
            },
            "actions": rng.integers(0, CHOICES, MEMBERS),
            "rewards": rng.random(MEMBERS, dtype=np.float32),
            "ended": rng.random(MEMBERS) < 0.3,
            "values": torch.as_tensor(rng.random((MEMBERS, 1), dtype=np.float32)),
            "log_probs": torch.as_tensor(rng.random(MEMBERS, dtype=np.float32)),
        }


def fill(rollouts, seed, parts=(ALL,), beyond=None):
    for number, step in enumerate(steps(np.random.default_rng(seed))):
        for members in parts:
            rollouts.add_decisions(
                number,
                members,
                {name: torch.as_tensor(a[members]) for name, a in step["observation"].items()},
                torch.as_tensor(step["actions"][members]),
                step["values"][members],
                step["log_probs"][members],
            )
            rollouts.add_results(number, members, step["rewards"][members], step["ended"][members])
        if beyond is not None:
            cut_off = torch.as_tensor(np.flatnonzero(step["ended"]))
            rollouts.add_values_beyond(number, cut_off, beyond[number, cut_off])
    rollouts.finish(torch.full((MEMBERS,), 0.5))
    return rollouts


def reference(seed, beyond=None):
    space = spaces.Dict(
        {
            "table": spaces.Box(0, 1, (2, 3), np.float32),
            "flags": spaces.MultiBinary(6),
            "ends": spaces.Box(0, 1, (2,), np.int16),
        }
    )
    buffer = MaskableDictRolloutBuffer(
        STEPS, space, spaces.Discrete(CHOICES), gae_lambda=0.9, gamma=0.95, n_envs=MEMBERS
    )
    starts = np.ones(MEMBERS, bool)
    for number, step in enumerate(steps(np.random.default_rng(seed))):
        rewards = step["rewards"].copy()
        if beyond is not None:
            rewards[step["ended"]] += 0.95 * beyond[number].numpy()[step["ended"]]
        actions = step["actions"].reshape(-1, 1)
        told = step["values"], step["log_probs"]
        buffer.add(step["observation"], actions, rewards, starts, *told)
        starts = step["ended"]
    buffer.compute_returns_and_advantage(torch.full((MEMBERS, 1), 0.5), starts)
    return buffer


def rollouts():
    return Rollouts(STEPS, None, None, gae_lambda=0.9, gamma=0.95, n_envs=MEMBERS)


@pytest.mark.parametrize("cut_off", [False, True])
def test_samples_are_those_of_sb3s_buffer(monkeypatch, cut_off):
    ours = rollouts()
    for seed in range(3):  # the same memory again
        beyond = torch.rand(STEPS, MEMBERS) if cut_off else None
        fill(ours, seed, beyond=beyond)
        order = np.random.default_rng(seed).permutation(STEPS * MEMBERS)
        monkeypatch.setattr(np.random, "permutation", lambda _, order=order: order)
        # There a member's steps lie one after the other, here a step's members.
        rows = torch.as_tensor(order % STEPS * MEMBERS + order // STEPS)
        drawn = list(reference(seed, beyond).get(8))
        assert [len(part) for part in rows.split(8)] == [8, 8, 4]
        for part, theirs in zip(rows.split(8), drawn, strict=True):
            sample = ours.select(part)
            for name, tensor in theirs.observations.items():
                assert torch.equal(sample.observations[name].to(tensor.dtype), tensor)
            assert torch.equal(sample.actions, theirs.actions[:, 0].long())
            assert torch.equal(sample.values, theirs.old_values)
            assert torch.equal(sample.log_probs, theirs.old_log_prob)
            torch.testing.assert_close(sample.advantages, theirs.advantages, rtol=0, atol=1e-6)
            torch.testing.assert_close(sample.returns, theirs.returns, rtol=0, atol=1e-6)


def test_types_are_kept_and_memory_is_used_again():
    ours = fill(rollouts(), 0)
    kinds = {name: tensor.dtype for name, tensor in ours.observations.items()}
    assert kinds == {"table": torch.float32, "flags": torch.int8, "ends": torch.int16}
    places = [tensor.data_ptr() for tensor in (*ours.observations.values(), ours.advantages)]
    rows = torch.arange(7)
    sample = ours.select(rows).observations["table"].data_ptr()
    fill(ours, 1)
    assert places == [t.data_ptr() for t in (*ours.observations.values(), ours.advantages)]
    assert ours.select(rows[:3]).observations["table"].data_ptr() == sample


def test_members_may_come_in_parts():
    whole, parts = fill(rollouts(), 0), fill(rollouts(), 0, (slice(0, 3), slice(3, MEMBERS)))
    rows = torch.arange(len(whole))
    first, second = whole.select(rows), parts.select(rows)
    for name, tensor in first.observations.items():
        assert torch.equal(second.observations[name], tensor)
    for one, other in zip(first[1:], second[1:], strict=True):
        assert torch.equal(one, other)
