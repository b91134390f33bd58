"""A player plays what an evaluation plays."""

import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.envs.tasks import TASKS
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.player import Player
from qkd_gym.scoring.agents import shipped_schedule

SHORT = {"scenario": "vienna", "episode_s": 1800.0, "render_mode": "ansi"}


class Masked:
    """Takes the last legal action, by the masks that it is given."""

    def predict(self, obs, state=None, episode_start=None, deterministic=True, action_masks=None):
        """Actions, and how often it was asked."""
        assert episode_start.all() == (state is None)
        actions = action_masks.shape[1] - 1 - action_masks[:, ::-1].argmax(axis=1)
        return actions, (state or 0) + 1


@pytest.mark.parametrize(
    ("task", "policy"),
    [
        ("LinkActivation", make_policy("demand-deficit")),
        ("LinkActivation", make_policy("lp-round-robin")),
        ("LinkActivation", Masked()),
        ("LinkScheduling", shipped_schedule("metro")),
        ("Routing", make_policy("exponential-price")),
        ("Routing", make_policy("bid-price")),
        ("Network", make_policy("demand-deficit+widest-path")),
    ],
)
def test_the_episode_is_that_of_an_evaluation(task, policy):
    env_id = TASKS[task].env_id
    settings = {name: value for name, value in SHORT.items() if name != "render_mode"}
    result = evaluate(policy, env_id, 1, 7, **settings)
    player = Player(policy, env_id, 7, **SHORT)
    while not player.over:
        player.step()
    sums = player.scene().sums
    assert sums.delivered_share == result.metrics["delivered_share"][0]
    assert sums.blocked_share == result.metrics["blocked_share"][0]


def test_an_episode_stays_at_its_end():
    player = Player(make_policy("static-plan"), TASKS["LinkActivation"].env_id, 0, **SHORT)
    while not player.over:
        player.step()
    assert player.scene().elapsed_s == player.elapsed_s == 1800.0


def test_time_passes_an_interval_at_a_time():
    player = Player(shipped_schedule("metro"), TASKS["LinkScheduling"].env_id, 0, **SHORT)
    times = []
    while not player.over:
        player.advance()
        times.append(player.elapsed_s)
    np.testing.assert_array_equal(times, np.arange(1, 31) * 60.0)


def test_where_paths_are_decided_a_request_is_decided_at_a_time():
    player = Player(make_policy("widest-path"), TASKS["Routing"].env_id, 0, **SHORT)
    for _ in range(5):
        before = player.scene().sums.offered
        player.advance()
        scene = player.scene()
        assert scene.sums.offered - before == scene.request.bits


def test_policies_that_plan_watch_the_environment():
    policy = make_policy("lookahead", candidates=2, futures=2, most_futures=2, horizon_s=60.0)
    player = Player(policy, TASKS["LinkScheduling"].env_id, 0, **SHORT)
    player.pass_time()
    assert player.elapsed_s == 60.0
