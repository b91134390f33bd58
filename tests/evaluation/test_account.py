"""Fairness and recovery, against slow definitions played by hand."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.account import Account
from qkd_gym.evaluation.episodes import play
from qkd_gym.features import LINK

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 3600.0, "split": "test"}


def jain(shares):
    return shares.sum() ** 2 / (len(shares) * (shares**2).sum())


def test_sites_add_up_to_the_network():
    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=4, **SMALL)
    policy = make_policy("max-weight")
    obs, _ = env.reset(seed=0)
    account = Account(env, obs)
    while account.left:
        obs, _, _, _, infos = env.step(policy.predict(obs)[0])
        account.add(obs, infos)
    # Every request has two ends, so sites block the same share as the network.
    demand, blocked = account._sums.demand.sum(axis=2).T
    totals = account.finish()
    expected = totals["blocked_bits"] / totals["offered_bits"]
    np.testing.assert_allclose(blocked / demand, expected, rtol=1e-4)


@pytest.mark.parametrize("env_id", ["qkd_gym/Routing-v0", "qkd_gym/Network-v0"])
def test_fairness_is_jains_index_of_the_sites_served_shares(env_id):
    policy = make_policy("max-weight+shortest-path" if "Network" in env_id else "shortest-path")
    result = evaluate(policy, env_id, episodes=2, seed=5, **SMALL)
    env = gym.make(env_id, **SMALL)
    for row in result.rows():
        obs, _ = env.reset(seed=row["seed"])
        offered, delivered, over = np.zeros(10), np.zeros(10), False
        while not over:
            ends = obs["request_endpoints"].copy()
            obs, _, _, over, info = env.step(policy.predict(obs)[0])
            offered[ends] += info["offered_bits"]
            delivered[ends] += info["delivered_bits"]
        asked = offered > 0
        assert row["fairness"] == pytest.approx(jain(delivered[asked] / offered[asked]), abs=5.1e-7)


def test_fairness_of_activation_agrees_with_playing_the_same_by_request():
    # Holding everywhere, and the built-in router's rule: both environments play the same episode.
    same = {"episodes": 8, "seed": 9, "scenario": "metro", **SMALL}
    links = evaluate("static-plan", "qkd_gym/LinkActivation-v0", **same)
    paths = evaluate("exponential-price", "qkd_gym/Routing-v0", **same)
    close = np.isclose(links.metrics["delivered_share"], paths.metrics["delivered_share"])
    assert close.sum() >= 6
    np.testing.assert_allclose(
        links.metrics["fairness"][close], paths.metrics["fairness"][close], rtol=1e-3
    )


def slow_recovery(env, policy, seed):
    """Mean fault duration of an episode by its definition, one site at a time."""
    obs, _ = env.reset(seed=seed)
    n = len(obs["nodes"])

    def counts(obs):
        on = (obs["links"][:, LINK.active] > 0.5) & (obs["links"][:, LINK.calibration_left] == 0.0)
        dead = on & (obs["links"][:, LINK.no_key] > 0.5)
        good = on & ~dead
        ends = obs["link_endpoints"]
        return [np.array([(ends[kind] == v).sum() for v in range(n)]) for kind in (good, dead)]

    good, dead = counts(obs)
    open_since, goals, durations, over = {}, {}, [], False
    while not over:
        obs, _, _, over, info = env.step(policy.predict(obs)[0])
        now = info["elapsed_s"]
        if over:
            break
        next_good, next_dead = counts(obs)
        for v in range(n):
            if v in goals:
                if next_good[v] >= goals[v]:
                    durations.append(now - open_since.pop(v))
                    del goals[v]
            elif next_dead[v] > dead[v] and next_good[v] < good[v]:
                goals[v], open_since[v] = good[v], now
        good, dead = next_good, next_dead
    durations += [now - since for since in open_since.values()]
    return np.mean(durations) if durations else np.nan


def test_recovery_is_the_mean_duration_of_faults():
    settings = SMALL | {"outages_per_link_minute": 1 / 60, "outage_min_s": 120.0}
    policy = make_policy("demand-deficit")
    result = evaluate(policy, episodes=4, seed=2, **settings)
    env = gym.make("qkd_gym/LinkActivation-v0", **settings)
    slow = [slow_recovery(env, policy, row["seed"]) for row in result.rows()]
    assert np.isfinite(slow).sum() >= 3
    np.testing.assert_allclose(result.metrics["recovery_s"], slow)


def test_nothing_breaks_where_nothing_can_break():
    quiet = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0, "fog_loss_db": 0.0}
    quiet |= {"drift_std": 0.0, "site_misalignment": 0.0, "link_excess_loss_db": 0.0}
    result = evaluate("static-plan", episodes=2, **(SMALL | quiet))
    assert np.isnan(result.metrics["recovery_s"]).all()
    assert np.isnan(result.mean("recovery_s"))


def test_recorded_actions_play_the_same_episode():
    result = evaluate("max-weight", episodes=3, seed=4, record_actions=True, **SMALL)
    assert [len(actions) for actions in result.actions] == [60, 60, 60]

    class Recorded:
        turn = -1

        def predict(self, obs, state=None, episode_start=None, deterministic=True):
            self.turn += 1
            return np.stack([actions[self.turn] for actions in result.actions]), state

    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=3, **SMALL)
    again = play(env, Recorded(), [4, 5, 6])
    for name, values in result.totals.items():
        np.testing.assert_array_equal(values, again.totals[name])
