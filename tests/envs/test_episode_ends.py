"""When an episode is over, and what time it is at each step."""

import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION, NETWORK, ROUTING
from qkd_gym.features import NODE


def started(task, **settings):
    core = Core("metro", {"bank_size": 1, **settings}, 3, task)
    core.generators = [np.random.default_rng([43, b]) for b in range(3)]
    core.start()
    return core


@pytest.mark.parametrize(("episode_s", "steps"), [(300.0, 10), (301.0, 11), (29.0, 1)])
def test_links_are_decided_once_per_interval_until_the_time_is_up(episode_s, steps):
    core = started(LINK_ACTIVATION, episode_s=episode_s)
    assert (core.results.elapsed_s == 0.0).all()
    assert not core.results.over.any()
    for step in range(1, steps + 1):
        core.step(np.full(3, core.simulator.max_links))
        assert (core.results.elapsed_s == 30.0 * step).all()
        assert (core.results.over == (step == steps)).all()
        assert not core.results.terminated.any()


@pytest.mark.parametrize("task", [ROUTING, NETWORK], ids=["Routing", "Network"])
def test_requests_are_decided_until_the_last_of_the_last_interval(task):
    core = started(task, episode_s=300.0)
    state, refuse = core.simulator.state, core.config.candidate_paths
    hold = (refuse, core.simulator.max_links)
    action = np.array(hold if task.decides_links else refuse)
    episodes = state.episodes
    waiting = episodes["cursor"] < episodes["n_requests"]
    assert waiting.all()
    over = np.zeros(3, bool)
    for _ in range(200):
        interval, left = episodes["interval"].copy(), episodes["n_requests"] - episodes["cursor"]
        core.step(np.broadcast_to(action, (3, *action.shape)))
        over = core.results.over
        # Time passes only when nothing waits.
        assert ((episodes["interval"] == interval) | (left <= 1)).all()
        np.testing.assert_array_equal(core.results.elapsed_s, 30.0 * episodes["interval"])
        none_left = episodes["cursor"] >= episodes["n_requests"]
        np.testing.assert_array_equal(over, (episodes["interval"] == 10) & none_left)
        if over.all():
            break
    assert over.all()


@pytest.mark.parametrize("task", [ROUTING, NETWORK], ids=["Routing", "Network"])
def test_the_last_observation_has_no_request(task):
    core = started(task, episode_s=60.0)
    refuse, links = core.config.candidate_paths, core.simulator.max_links
    action = np.array((refuse, links) if task.decides_links else refuse)
    while not core.results.over.all():
        core.step(np.broadcast_to(action, (3, *action.shape)))
    last = core.observe()
    for name in ("request", "request_endpoints", "paths"):
        assert (last[name] == 0).all()
    assert (last["path_links"] == links).all()
    assert (last["nodes"][..., NODE.endpoint] == 0.0).all()
    # Nothing but to refuse; links may still be switched.
    np.testing.assert_array_equal(core.masks[:, : refuse + 1], np.eye(refuse + 1)[[-1] * 3] == 1)
    for b in range(3):
        assert core.observation_space.contains({name: each[b] for name, each in last.items()})
