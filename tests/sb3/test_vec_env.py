"""The adapter has the semantics of SB3's vector environments."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from gymnasium.error import ClosedEnvironmentError
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from qkd_gym.baselines import make_policy
from qkd_gym.envs import LinkActivationEnv
from qkd_gym.errors import InvalidInput
from qkd_gym.sb3 import QKDVecEnv

SHORT = {"episode_s": 600.0, "network_index": 0, "bank_size": 1}


def test_equals_sb3s_own_adapter_of_single_environments():
    ours = QKDVecEnv(num_envs=3, **SHORT)
    theirs = DummyVecEnv([lambda: LinkActivationEnv(**SHORT)] * 3)
    for env in (ours, theirs):
        env.seed(5)
    first, second = ours.reset(), theirs.reset()
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(50):
        for name, array in second.items():
            np.testing.assert_array_equal(first[name], array, err_msg=name)
        actions = rng.integers(ours.action_space.n, size=3)
        first, rewards, dones, infos = ours.step(actions)
        second, their_rewards, their_dones, their_infos = theirs.step(actions)
        np.testing.assert_array_equal(rewards, their_rewards)
        np.testing.assert_array_equal(dones, their_dones)
        for info, their_info, done in zip(infos, their_infos, dones, strict=True):
            if done:
                ended += 1
                assert info["TimeLimit.truncated"] == their_info["TimeLimit.truncated"]
                for name, array in their_info["terminal_observation"].items():
                    np.testing.assert_array_equal(info["terminal_observation"][name], array)
            else:
                assert info == {}
    assert ended == 6


def test_last_observation_survives_the_next_step():
    env = QKDVecEnv(num_envs=2, **SHORT)
    last = env.reset()
    kept = {name: array.copy() for name, array in last.items()}
    env.step(np.zeros(2, dtype=np.int64))
    for name, array in kept.items():
        np.testing.assert_array_equal(last[name], array)


def test_rewards_can_be_scaled_and_freed_of_the_offered_key():
    plain = QKDVecEnv(num_envs=4, **SHORT)
    changed = QKDVecEnv(num_envs=4, reward_scale=0.5, subtract_offered=True, **SHORT)
    for env in (plain, changed):
        env.seed(1)
        env.reset()
    hold = np.full(4, plain.action_space.n - 1)
    _, rewards, _, _ = plain.step(hold)
    infos = plain.env.core.info()
    _, other, _, _ = changed.step(hold)
    mean = plain._mean_offered()
    np.testing.assert_allclose(other, 0.5 * (rewards - infos["offered_bits"] / mean), rtol=1e-5)


def test_masks_and_monitor():
    env = VecMonitor(QKDVecEnv(num_envs=2, **SHORT))
    observation = env.reset()
    masks = np.stack(env.env_method("action_masks"))
    np.testing.assert_array_equal(masks, observation["action_mask"].astype(bool))
    returns = 0.0
    for _ in range(20):
        _, rewards, dones, infos = env.step(np.zeros(2, dtype=np.int64))
        returns += rewards[0]
    assert dones.all()
    assert infos[0]["episode"]["l"] == 20
    assert infos[0]["episode"]["r"] == pytest.approx(returns, abs=1e-4)


def test_totals_account_for_every_step():
    env = QKDVecEnv(num_envs=2, **SHORT)
    env.reset()
    offered = 0
    for _ in range(25):
        env.step(np.zeros(2, dtype=np.int64))
        offered += env.env.core.info()["offered_bits"].sum()
    totals = env.pop_totals()
    assert totals["delivered_bits"] + totals["blocked_bits"] == totals["offered_bits"]
    assert env.pop_totals()["offered_bits"] == 0.0


def test_closing_closes_the_environments():
    env = QKDVecEnv(num_envs=2, control_policy=make_policy("demand-deficit"), **SHORT)
    env.reset()
    env.close()
    assert env.env.closed
    assert env.control.env.closed
    with pytest.raises(ClosedEnvironmentError):
        env.step(np.zeros(2, np.int64))


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_seeds_may_be_integers_of_numpy(kind):
    env = QKDVecEnv(num_envs=2, **SHORT)
    assert env.seed(kind(3)) == [3, 4]
    first = env.reset()["links"]
    env.seed(3)
    np.testing.assert_array_equal(env.reset()["links"], first)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(InvalidInput, match="seed is"):
        QKDVecEnv(num_envs=2, **SHORT).seed(seed)


def test_attributes_cannot_be_set():
    with pytest.raises(InvalidInput, match="native vector"):
        QKDVecEnv(num_envs=1, **SHORT).set_attr("config", None)


def test_an_unknown_environment_is_refused():
    with pytest.raises(InvalidInput, match="Did you mean 'qkd_gym/Routing-v0'"):
        QKDVecEnv("qkd_gym/Ruoting-v0", num_envs=1)


def test_the_mean_offered_key_is_a_request_s_where_paths_are_decided():
    for env_id, name in (
        ("qkd_gym/Routing-v0", "mean_request_bits"),
        ("qkd_gym/LinkActivation-v0", "mean_offered_bps"),
    ):
        env = QKDVecEnv(env_id, num_envs=1, **SHORT)
        env.reset()
        simulator = env.env.core.simulator
        step_s = simulator.params["interval_s"][0] if name == "mean_offered_bps" else 1.0
        assert env._mean_offered() == pytest.approx(simulator.bank.networks[name][0] * step_s)


def test_accounts_of_a_step_are_there_for_wrappers():
    """By name, also of the episodes that the step ended; equal to the vector environment's own."""
    env, plain = QKDVecEnv(num_envs=3, **SHORT), QKDVecEnv(num_envs=3, **SHORT).env
    wrapped = VecMonitor(env)
    wrapped.seed(5)
    wrapped.reset()
    plain.reset(seed=5)
    assert wrapped.venv.accounts["delivered_bits"].tolist() == [0, 0, 0]
    rng, ended = np.random.default_rng(0), 0
    for _ in range(30):
        actions = rng.integers(env.action_space.n, size=3)
        _, rewards, over, _ = wrapped.step(actions)
        infos, accounts = plain.step(actions)[-1], wrapped.accounts
        for name in ("offered_bits", "blocked_bits", "switches", "elapsed_s"):
            np.testing.assert_array_equal(accounts[name], infos[name])
        np.testing.assert_allclose(sum(accounts["reward_terms"].values()), rewards, rtol=1e-5)
        ended += over.sum()
    assert ended > 0
