"""Where a process is switched off, or odd, beliefs are certain of it and nothing breaks."""

import gymnasium as gym
import numpy as np
import pytest
from playing import ACTIVATION, network_of, tracked

import qkd_gym  # noqa: F401

NOTHING = {
    "drift_std": 0.0,
    "site_misalignment": 0.0,
    "link_excess_loss_db": 0.0,
    "outages_per_link_minute": 0.0,
    "attacks_per_link_minute": 0.0,
    "hot_spot_share": 0.0,
    "burst_share": 0.0,
    "diurnal_amplitude": 0.0,
    "fog_loss_db": 0.0,
    "bank_size": 2,
}


def test_an_episode_without_secrets_is_known():
    env = tracked("metro", 2, 30, **NOTHING)
    truth = env.core.simulator.state
    for b in range(2):
        n_links, _ = network_of(env, b)
        drawn = env.core.tracker.imagine(b, 3, np.random.default_rng(0))
        for name in ("excess_loss_db", "drift", "outage_until_s", "attack_until_s"):
            exact = np.broadcast_to(truth.links[name][b, :n_links], (3, n_links))
            np.testing.assert_array_equal(getattr(drawn, name), exact, name)
        exact = np.broadcast_to(truth.sites["misalignment"][b], drawn.misalignment.shape)
        np.testing.assert_array_equal(drawn.misalignment, exact)


@pytest.mark.parametrize("name", ["drift_std", "site_misalignment", "link_excess_loss_db"])
def test_what_alone_is_hidden_is_found(name):
    """With one process left, links that run are known up to their shot noise."""
    spread = {"drift_std": 0.01, "site_misalignment": 0.02, "link_excess_loss_db": 1.0}[name]
    env = tracked("metro", 2, 10, **(NOTHING | {name: spread}))
    state = env.core.simulator.state
    for b in range(2):
        n_links, ends = network_of(env, b)
        fresh = state.links["freshness"][b, :n_links] == 1.0
        drawn = env.core.tracker.imagine(b, 20, np.random.default_rng(0))
        total = drawn.misalignment[:, ends].sum(axis=2) + drawn.drift
        truth = state.sites["misalignment"][b][ends].sum(axis=1) + state.links["drift"][b, :n_links]
        shown = np.maximum(truth, -env.config.misalignment)  # no error is negative
        assert np.abs(total - shown)[:, fresh].max() < 0.006
        with_key = fresh & (state.links["observed_rate"][b, :n_links] > 0.02)
        errors = np.abs(drawn.excess_loss_db - state.links["excess_loss_db"][b, :n_links])
        assert np.median(errors[:, with_key]) < 0.02


@pytest.mark.parametrize(
    "overrides",
    [
        {"n_sites": 6, "burst_sources": 64},
        {"hot_spot_share": 0.5, "burst_share": 0.5, "requests_per_site_hour": 200.0},
        {"outage_mean_s": 0.0, "attack_mean_s": 0.0, "outage_min_s": 0.0, "attack_min_s": 0.0},
        {"attack_fraction": 0.0, "attacks_per_link_minute": 0.05, "attack_target": "central"},
        {"attack_fraction": 1.0, "misalignment": 0.0, "outages_per_link_minute": 0.05},
        {"key_lifetime_s": 300.0, "clear_s": 600.0, "fog_s": 600.0},
        {"measured_share": 1.0, "measured_age_s": 1e9, "drift_memory_s": 1.0},
        {"scenario": "hybrid"},
        {"scenario": "trieste"},
        {"scenario": "madrid", "site_misalignment": 0.02},
    ],
    ids=lambda overrides: "-".join(overrides),
)
def test_odd_configurations(overrides):
    """Under random actions; whatever is drawn is what the state may hold."""
    env = gym.make_vec(ACTIVATION, num_envs=2, **{"bank_size": 2, "episode_s": 1800.0, **overrides})
    env.track_belief()
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    sim = env.core.simulator
    for step in range(100):  # past the end of the first episode
        env.step(rng.integers(env.single_action_space.n, size=2))
        if step % 20:
            continue
        belief = env.core.tracker.belief
        for chance in (belief.fog, belief.bursts, belief.hot_spot):
            assert ((chance >= 0.0) & (chance <= 1.0)).all()
        model = env.branch(3)
        now_s = model.simulator.state.episodes["interval"][:, None] * sim.params["interval_s"]
        for name in ("excess_loss_db", "attack_fraction", "outage_until_s", "attack_until_s"):
            column = model.simulator.state.links[name]
            assert np.isfinite(column).all()
            assert (column >= 0.0).all()
        assert np.isfinite(model.simulator.state.links["drift"]).all()
        assert (model.simulator.state.sites["misalignment"] >= 0.0).all()
        assert np.isin(model.simulator.state.sites["fog"], (0.0, 1.0)).all()
        # A link that works now is neither out nor attacked.
        links = model.simulator.state.links
        works = (links["freshness"] == 1.0) & (links["observed_rate"] > 0.02)
        assert not (works & (links["outage_until_s"] > now_s)).any()
        for _ in range(3):
            model.step(np.full(6, env.single_action_space.n - 1))
        assert np.isfinite(model.rewards).all()
