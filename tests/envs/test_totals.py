"""Totals of episodes: sums of their steps, and fairness and recovery by slow definitions."""

from __future__ import annotations

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from qkd_gym.baselines import make_policy
from qkd_gym.envs.metrics import METRICS
from qkd_gym.envs.tasks import TASKS
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import play
from qkd_gym.features import LINK
from qkd_gym.network.state import LINK_ROW

SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 3600.0, "split": "test"}


def jain(shares):
    return shares.sum() ** 2 / (len(shares) * (shares**2).sum())


def actions_of(env, steps, seed=0):
    """Random actions of a vector environment, (steps, members, ...)."""
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(steps)]


def ends_of_single_environments(env_id, actions, members):
    """Totals of the first episode of every member, and the infos of its steps."""
    env = gym.make(env_id, **SMALL)
    for b in range(members):
        env.reset(seed=7 + b)
        infos, over = [], False
        while not over:
            _, reward, _, over, info = env.step(actions[len(infos)][b])
            infos.append({**info, "reward": reward})
            assert ("episode_totals" in info) == over
        yield infos


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_the_last_step_has_the_sums_of_all_steps(task):
    vec = gym.make_vec(task.env_id, 1, **SMALL)
    (infos,) = ends_of_single_environments(task.env_id, actions_of(vec, 3000), 1)
    totals = infos[-1]["episode_totals"]
    for name in ("offered_bits", "delivered_bits", "overflow_bits", "switches", "illegal_actions"):
        assert totals[name] == sum(info[name] for info in infos)
    for name in ("reward", "qber_weighted_bits"):
        assert totals[name] == pytest.approx(sum(info[name] for info in infos), rel=1e-12)
    assert totals["elapsed_s"] == infos[-1]["elapsed_s"] == SMALL["episode_s"]
    assert totals["delivered_share"] == totals["delivered_bits"] / totals["offered_bits"]
    assert set(METRICS) <= set(totals)


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("env_id", ["qkd_gym/LinkActivation-v0", "qkd_gym/Network-v0"])
def test_members_have_the_totals_of_single_environments(env_id, mode):
    vec = gym.make_vec(env_id, 3, autoreset_mode=mode, **SMALL)
    actions = actions_of(vec, 3000)
    expected = [e[-1]["episode_totals"] for e in ends_of_single_environments(env_id, actions, 3)]
    vec.reset(seed=7)
    found = {}
    for each in actions:
        *_, over, infos = vec.step(each)
        last = infos.get("final_info", {}) if mode is AutoresetMode.SAME_STEP else infos
        assert ("episode_totals" in last) == over.any()
        for b in np.flatnonzero(over):
            np.testing.assert_array_equal(last["_episode_totals"], over)
            values = {name: array[b] for name, array in last["episode_totals"].items()}
            found.setdefault(int(b), values)
        if len(found) == 3 or (mode is AutoresetMode.DISABLED and over.any()):
            break
    assert found
    for b, totals in found.items():
        assert totals == pytest.approx(expected[b], rel=0, abs=0, nan_ok=True)


def test_episodes_go_on_with_their_totals_from_snapshots_and_copies():
    env = gym.make("qkd_gym/LinkActivation-v0", **SMALL).unwrapped
    env.reset(seed=3)
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(60)]
    for action in actions[:30]:
        env.step(action)
    snapshot, copy = env.snapshot(), pickle.loads(pickle.dumps(env))
    other = gym.make("qkd_gym/LinkActivation-v0", **SMALL).unwrapped
    other.reset(seed=4)
    other.restore(snapshot)
    totals = []
    for each in (env, copy, other):
        for action in actions[30:]:
            info = each.step(action)[4]
        totals.append(info["episode_totals"])
    for each in totals[1:]:
        assert each == pytest.approx(totals[0], rel=0, abs=0, nan_ok=True)


def test_a_partial_reset_begins_the_totals_of_its_members_alone():
    env = gym.make_vec("qkd_gym/LinkActivation-v0", 2, autoreset_mode="NextStep", **SMALL)
    env.reset(seed=1)
    hold = np.full(2, env.single_action_space.n - 1)
    for _ in range(20):
        env.step(hold)
    env.reset(options={"reset_mask": np.array([True, False])})
    for _ in range(40):
        *_, over, infos = env.step(hold)
    assert over.tolist() == [False, True]
    assert infos["episode_totals"]["elapsed_s"].tolist() == [0.0, SMALL["episode_s"]]


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
    """Mean duration of an episode's faults and mean key lost to one, one site at a time."""
    obs, _ = env.reset(seed=seed)
    n, simulator = len(obs["nodes"]), env.unwrapped.core.simulator

    def look(obs):
        on = (obs["links"][:, LINK.active] > 0.5) & (obs["links"][:, LINK.calibration_left] == 0.0)
        dead = on & (obs["links"][:, LINK.no_key] > 0.5)
        seen = simulator.arrays.links[0, LINK_ROW.observed_rate].astype(float)
        facts = simulator.bank.links[simulator.arrays.episodes["network"][0]]
        rate = on * seen[: len(on)] * facts["nominal_rate_bps"][: len(on)]
        ends = [(obs["link_endpoints"] == v).any(axis=1) for v in range(n)]
        return [np.array([x[at].sum() for at in ends]) for x in (on & ~dead, dead, rate)]

    good, dead, rate = look(obs)
    open_since, before, durations, lost, now, over = {}, {}, [], 0.0, 0.0, False
    while not over:
        obs, _, _, over, info = env.step(policy.predict(obs)[0])
        passed, now = info["elapsed_s"] - now, info["elapsed_s"]
        if over:
            break
        next_good, next_dead, next_rate = look(obs)
        for v in range(n):
            if v in before:
                if next_good[v] >= before[v][0]:
                    durations.append(now - open_since.pop(v))
                    del before[v]
            elif next_dead[v] > dead[v] and next_good[v] < good[v]:
                before[v], open_since[v] = (good[v], rate[v]), now
            if v in before:
                lost += max(before[v][1] - next_rate[v], 0.0) * passed
        good, dead, rate = next_good, next_dead, next_rate
    durations += [now - since for since in open_since.values()]
    return (np.mean(durations), lost / len(durations)) if durations else (np.nan, np.nan)


@pytest.mark.parametrize(
    ("env_id", "rule"),
    [
        ("qkd_gym/LinkActivation-v0", "demand-deficit"),
        ("qkd_gym/Network-v0", "demand-deficit+shortest-path"),  # steps in which no time passes
    ],
)
def test_recovery_is_the_mean_duration_and_loss_of_faults(env_id, rule):
    settings = SMALL | {"outages_per_link_minute": 1 / 60, "outage_min_s": 120.0}
    policy = make_policy(rule)
    result = evaluate(policy, env_id, episodes=4, seed=2, **settings)
    env = gym.make(env_id, **settings)
    slow = np.array([slow_recovery(env, policy, row["seed"]) for row in result.rows()])
    assert np.isfinite(slow).all(axis=1).sum() >= 3
    np.testing.assert_allclose(result.metrics["recovery_s"], slow[:, 0])
    # Less than a bit of every interval is cut off.
    cut = SMALL["episode_s"] / 60.0
    np.testing.assert_allclose(result.metrics["lost_per_fault_bits"], slow[:, 1], rtol=0, atol=cut)
    assert np.nanmin(slow[:, 1]) > 1e3 * cut


def test_both_sites_of_a_link_lose_the_key_that_it_would_have_made():
    # Nobody switches and nothing drifts: what is lost is made in the same episode without outages.
    steady = {"attacks_per_link_minute": 0.0, "drift_std": 0.0, "fog_loss_db": 0.0}
    calm, struck = (
        evaluate(
            "static-plan",
            episodes=16,
            seed=1,
            **(SMALL | steady | {"outages_per_link_minute": rate, "outage_min_s": 240.0}),
        ).totals
        for rate in (0.0, 1 / 1200)
    )
    lost = calm["generated_bits"] - struck["generated_bits"]
    found = struck["fault_lost_bits"] / 2
    # Nothing is lost to a fault where links are out from the start, and less than all where one
    # is still out at the end; what is left is shot noise.
    assert (found <= 1.002 * lost).all()
    assert (found[found > 0] >= 0.998 * lost[found > 0]).sum() >= 4


def test_nothing_breaks_where_nothing_can_break():
    quiet = {"outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0, "fog_loss_db": 0.0}
    quiet |= {"drift_std": 0.0, "site_misalignment": 0.0, "link_excess_loss_db": 0.0}
    result = evaluate("static-plan", episodes=2, **(SMALL | quiet))
    for name in ("recovery_s", "lost_per_fault_bits"):
        assert np.isnan(result.metrics[name]).all()
        assert np.isnan(result.mean(name))
    assert not result.totals["fault_lost_bits"].any()


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
