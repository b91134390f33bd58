"""Scenes hold what the simulator does, and what has happened before."""

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.features import ALARM
from qkd_gym.rendering import LinkState
from qkd_gym.rendering.past import Sums
from tests.rendering.scenes import plain_scene


def made(env_id="LinkActivation", **settings):
    env = gym.make(f"qkd_gym/{env_id}-v0", render_mode="ansi", **settings).unwrapped
    return env, lambda: env.renderer.scene(env.core.simulator)


def test_states_of_links_and_modules():
    env, look = made(bank_size=1)
    obs, _ = env.reset(seed=0)
    link = int(np.flatnonzero((obs["links"][:, 0] == 0) & (obs["link_mask"] == 1))[0])
    env.step(link)
    scene = look()
    assert scene.state[link] == LinkState.CALIBRATING
    assert scene.count(LinkState.CALIBRATING) == 1
    assert scene.elapsed_s == 30.0
    active = scene.topology.link_endpoints[scene.state != LinkState.INACTIVE]
    np.testing.assert_array_equal(scene.modules_used, np.bincount(active.ravel(), minlength=20))


def test_a_link_without_key_has_failed():
    env, look = made(bank_size=1, calibration_s=0.0)
    obs, _ = env.reset(seed=0)
    assert look().count(LinkState.FAILED) == 0
    link = int(np.flatnonzero(obs["links"][:, 0])[0])
    env.core.simulator.state.links["outage_until_s"][0, link] = 1e6
    env.step(env.action_space.n - 1)
    assert look().state[link] == LinkState.FAILED


def test_measurements_are_the_last_ones_in_their_units():
    env, look = made(scenario="vienna")
    env.reset(seed=0)
    for _ in range(30):
        env.step(env.action_space.n - 1)
    scene, state = look(), env.core.simulator.state
    facts = env.core.simulator.bank.links[0, : len(scene.state)]
    for link in range(len(scene.state)):
        if state.links["freshness"][0, link] == 0.0:
            assert np.isnan(scene.qber[link])
            assert np.isnan(scene.rate_bps[link])
        else:
            observed = env.core.frame.only["links"][link]
            threshold = float(facts["qber_threshold"][link])
            assert scene.qber[link] == pytest.approx(observed[6] * threshold)
            assert 0.2 < scene.rate_bps[link] / facts["nominal_rate_bps"][link] < 1.5
    assert np.isfinite(scene.qber).any()
    np.testing.assert_array_equal(scene.pool_bits, state.links["pool"][0, : len(scene.state)])


def test_shares_are_those_of_the_accounts_since_the_start():
    env, look = made(scenario="vienna", load=3.0)
    for seed in range(2):
        env.reset(seed=seed)
        assert np.isnan(look().sums.delivered_share)
        sums = np.zeros(3)
        for _ in range(40):
            _, _, _, _, info = env.step(env.action_space.n - 1)
            sums += [info[f"{name}_bits"] for name in Sums._fields]
            assert look().sums == tuple(sums)
    assert look().sums.delivered_share == sums[1] / sums[0]
    assert look().sums.blocked_share == sums[2] / sums[0] > 0.0


def test_what_was_before_a_restored_snapshot_is_forgotten():
    env, look = made(scenario="vienna")
    env.reset(seed=0)
    snapshot = env.snapshot()
    for _ in range(20):
        env.step(env.action_space.n - 1)
    assert look().sums.offered > 0.0
    env.restore(snapshot)
    assert look().sums == Sums()


@pytest.mark.parametrize("env_id", ["Routing", "Network"])
def test_the_last_request_has_the_path_that_was_chosen(env_id):
    env, look = made(env_id, scenario="vienna", load=3.0)
    obs, info = env.reset(seed=0)
    assert look().request is None
    outcomes = set()
    for step in range(60):
        ends, paths = obs["request_endpoints"].copy(), obs["path_links"].copy()
        legal = np.flatnonzero(obs["action_mask"][: len(paths) + 1])
        path = int(legal[step % len(legal)])
        action = path if env_id == "Routing" else (path, env.action_space.nvec[1] - 1)
        obs, _, _, over, info = env.step(action)
        request = look().request
        assert request.ends == tuple(ends)
        assert request.bits == info["offered_bits"]
        chosen = paths[path] if path < len(paths) else []
        assert request.path == tuple(link for link in chosen if link < env.core.simulator.max_links)
        assert request.outcome == ("delivered" if info["delivered_bits"] else "blocked")
        outcomes.add(request.outcome)
        if over:
            break
    assert outcomes == {"delivered", "blocked"}


def test_requests_that_wait_say_so():
    env, look = made("Routing", scenario="classes")
    env.reset(seed=0)
    outcomes = set()
    for _ in range(200):
        _, _, _, _, info = env.step(env.action_space.n - 1)
        waits = not info["blocked_bits"]
        assert look().request.outcome == ("waits" if waits else "blocked")
        outcomes.add(look().request.outcome)
    assert outcomes == {"waits", "blocked"}


def test_an_illegal_path_is_none():
    env, look = made("Routing", scenario="vienna")
    env.reset(seed=0)
    env.step(-1)
    assert look().request.path == ()


def test_what_is_known_of_faults_is_what_is_observed():
    env, look = made(scenario="bad-days")
    observation, _ = env.reset(seed=4)
    seen = dict.fromkeys(ALARM._fields, 0)
    for _ in range(130):
        faults, alarms = look().faults, observation["alarms"][: len(look().state)]
        known = {"alarm": faults.alarmed, "window": faults.announced}
        known |= zip(("alarm_age", "window_in", "window_left"), faults, strict=True)
        for name, values in known.items():
            value = values if values.dtype == bool else np.log1p(np.nan_to_num(values) / 60.0)
            np.testing.assert_allclose(alarms[:, getattr(ALARM, name)], value, rtol=1e-6)
            seen[name] += np.count_nonzero(value)
        observation, *_ = env.step(env.action_space.n - 1)
    assert min(seen.values()) > 0
    assert plain_scene().faults is None


def test_a_scene_without_a_past_has_no_sums():
    scene = plain_scene()
    assert scene.sums == Sums()
    assert scene.request is None
