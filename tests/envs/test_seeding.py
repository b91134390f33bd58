"""The same seed gives the same episode: alone, in a vector, on any number of threads."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401

IDS = ["qkd_gym/LinkActivation-v0", "qkd_gym/Routing-v0", "qkd_gym/Network-v0"]
SHORT = {"episode_s": 1200.0, "bank_size": 3, "scenario": "hidden"}
BITS = ("offered_bits", "delivered_bits", "generated_bits", "stored_bits", "overflow_bits")


def legal(space, mask, rng):
    if isinstance(space, gym.spaces.Discrete):
        return int(rng.choice(np.flatnonzero(mask)))
    parts = np.split(mask, np.cumsum(space.nvec)[:-1])
    return np.array([rng.choice(np.flatnonzero(part)) for part in parts])


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("batch", [3, 40])
def test_vector_equals_single_bit_for_bit(env_id, batch):
    """A batch of 40 steps on several threads; its members run past their autoreset."""
    vector = gym.make_vec(env_id, num_envs=batch, **SHORT)
    single = gym.make(env_id, **SHORT)
    observed, _ = vector.reset(seed=100)
    members = [0, 1, batch - 1]
    kept = {m: [({k: v[m].copy() for k, v in observed.items()}, 0.0, None)] for m in members}
    actions = []
    rng = np.random.default_rng(0)
    for _ in range(160):
        chosen = [
            legal(vector.single_action_space, mask.astype(bool), rng)
            for mask in observed["action_mask"]
        ]
        actions.append(np.array(chosen))
        observed, rewards, _, truncated, infos = vector.step(np.array(chosen))
        for m in members:
            row = {k: v[m].copy() for k, v in observed.items()}
            end = infos["final_obs"][m] if truncated[m] else None
            assert end is None or all(array.flags.c_contiguous for array in end.values())
            info = {name: infos[name][m] for name in BITS}
            kept[m].append((row, rewards[m], (end, info)))
    ends = 0
    for m in members:
        obs, _ = single.reset(seed=100 + m)
        assert_same(obs, kept[m][0][0])
        for chosen, (row, reward, (end, info)) in zip(actions, kept[m][1:], strict=True):
            obs, got, _, over, got_info = single.step(chosen[m])
            assert got == reward
            assert {name: got_info[name] for name in BITS} == info
            if over:
                assert_same(obs, end)
                obs, _ = single.reset()
                ends += 1
            assert_same(obs, row)
    assert ends > 0


@pytest.mark.parametrize("env_id", IDS)
def test_same_seed_same_episode(env_id):
    runs = []
    for _ in range(2):
        env = gym.make(env_id, **SHORT)
        obs, _ = env.reset(seed=5)
        rng = np.random.default_rng(1)
        trace = []
        for _ in range(20):
            action = legal(env.action_space, obs["action_mask"].astype(bool), rng)
            obs, reward, _, over, _ = env.step(action)
            trace.append((reward, obs))
            if over:
                break
        runs.append(trace)
    for (reward, obs), (again, obs_again) in zip(*runs, strict=True):
        assert reward == again
        assert_same(obs, obs_again)


def test_other_seeds_give_other_episodes():
    env = gym.make(IDS[0], **SHORT)
    first = env.reset(seed=1)[0]
    second = env.reset(seed=2)[0]
    assert not np.array_equal(first["links"], second["links"])


def test_exogenous_processes_do_not_depend_on_actions():
    """Two agents that act differently meet the same drift, weather, faults and requests."""
    first, second = (gym.make(IDS[0], **SHORT) for _ in range(2))
    first.reset(seed=8)
    second.reset(seed=8)
    rng = np.random.default_rng(0)
    hold = first.action_space.n - 1
    switched = False
    for _ in range(40):
        action = legal(first.action_space, first.unwrapped.action_masks(), rng)
        info = first.step(action)[4]
        other = second.step(hold)[4]
        a, b = (env.unwrapped.core.simulator.state for env in (first, second))
        assert info["offered_bits"] == other["offered_bits"]
        for name in ("drift", "outage_until_s", "attack_until_s"):
            np.testing.assert_array_equal(a.links[name], b.links[name], err_msg=name)
        for name in ("requests", "bursts"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        np.testing.assert_array_equal(a.sites["fog"], b.sites["fog"])
        switched |= bool((a.links["active"] != b.links["active"]).any())
    assert switched


def test_splits_are_disjoint():
    lengths = []
    for split in ("train", "validation", "test"):
        env = gym.make(IDS[0], split=split, bank_size=2)
        for network in range(2):
            lengths.append(env.unwrapped.core.simulator.networks.topology(network).length_km.sum())
    assert len(set(lengths)) == 6


def test_network_index_fixes_the_network():
    env = gym.make(IDS[0], network_index=1, bank_size=3)
    for seed in range(3):
        env.reset(seed=seed)
        assert env.unwrapped.core.simulator.state.episodes["network"][0] == 1
