"""Lookahead: it follows its schedule unless something else clearly leads on imagined futures."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy
from qkd_gym.envs.observation import allocate as allocate_buffers
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation import evaluate
from qkd_gym.features import LINK
from qkd_gym.network.state import allocate
from qkd_gym.scoring import ScoredSchedule
from qkd_gym.scoring.choice import new_scratch
from qkd_gym.scoring.inputs import INPUT
from qkd_gym.scoring.roll_out import NO_SWITCH, roll_out
from qkd_gym.scoring.weights import starting_weights

SMALL = {"n_sites": 8, "bank_size": 2, "episode_s": 2400.0}
QUICK = {"candidates": 3, "futures": 4, "most_futures": 8, "horizon_s": 900.0}


def holding():
    """Weights of a schedule that never switches."""
    weights = starting_weights()
    weights.on[INPUT.one] = -1000.0
    return weights


def looking(schedule, **changes):
    return make_policy("lookahead", schedule=schedule, **{**QUICK, **changes})


def shares(policy, **settings):
    result = evaluate(policy, None, 4, 7, **{**SMALL, **settings}, record_actions=True)
    return result.metrics["delivered_share"], result.actions


def test_what_cannot_lead_enough_is_not_done():
    schedule = ScoredSchedule(starting_weights())
    _, own = shares(schedule)
    _, careful = shares(looking(schedule, significance=100.0))
    for first, second in zip(own, careful, strict=True):
        np.testing.assert_array_equal(first, second)


def test_it_mends_a_schedule_that_never_switches():
    poor = ScoredSchedule(holding())
    before, _ = shares(poor)
    after, actions = shares(looking(poor))
    assert (after > before + 0.05).all()
    again, same = shares(looking(poor))
    np.testing.assert_array_equal(after, again)
    for first, second in zip(actions, same, strict=True):
        np.testing.assert_array_equal(first, second)


def test_planning_does_not_change_what_happens():
    env = gym.make_vec(LINK_SCHEDULING.env_id, num_envs=2, **SMALL)
    plain = gym.make_vec(LINK_SCHEDULING.env_id, num_envs=2, **SMALL)
    policy = looking(ScoredSchedule(starting_weights()))
    policy.watch(env)
    (obs, _), state, start = env.reset(seed=3), None, np.ones(2, bool)
    plain.reset(seed=3)
    for _ in range(30):
        actions, state = policy.predict(obs, state, start)
        obs, reward, over, cut, _ = env.step(actions)
        _, same, *_ = plain.step(actions)
        np.testing.assert_array_equal(reward, same)
        start = over | cut


WAITING = {"service_classes": [{"name": "patient", "patience_s": 1800.0}]}
IN_BLOCKS = {"preset": "reference(decoy=one, block_size=1e7, sifting=0.81)"}


@pytest.mark.parametrize(("future", "settings"), [(0, {}), (1, {}), (2, WAITING), (3, IN_BLOCKS)])
def test_roll_outs_are_what_stepping_the_model_gives(future, settings):
    env = gym.make(LINK_SCHEDULING.env_id, **SMALL, **settings).unwrapped
    schedule = ScoredSchedule(starting_weights())
    obs, _ = env.reset(seed=1)
    for _ in range(8):
        obs, *_ = env.step(int(schedule.predict(obs)[0]))
    running = int(np.flatnonzero(obs["links"][:, LINK.active] > 0.5)[0])
    firsts = np.array([[NO_SWITCH, NO_SWITCH], [running, env.action_space.n - 1]])
    model = env.branch(1, peek=True, seed=future)
    present, sim, intervals = model.snapshot(), model.simulator, 10
    in_blocks = settings is IN_BLOCKS
    copy = allocate(env.config, 1, sim.n_sites, sim.max_links, in_blocks=in_blocks)
    buffers = allocate_buffers(copy, sim.bank, env.task)
    scratch = new_scratch(sim.max_links, buffers.nodes.shape[2])
    values = np.empty((2, 1))
    roll_out(
        schedule.weights, sim.arrays, copy, buffers, sim.bank, sim.params, firsts, intervals, 0.0,
        sim.work, scratch, values,
    )  # fmt: skip
    end = sim.state.episodes["interval"][0] + intervals
    for first, value in zip(firsts, values, strict=True):
        model.restore(present)
        planned, delivered = [link for link in first if link != NO_SWITCH], 0
        while sim.state.episodes["interval"][0] < end:
            own, _ = schedule.predict(model.observe())
            model.step([planned.pop(0)] if planned else own)
            delivered += model.info()["delivered_bits"][0]
        assert value == delivered > 0


def test_it_must_be_shown_its_environment():
    policy = looking(ScoredSchedule(starting_weights()))
    obs, _ = gym.make_vec(LINK_SCHEDULING.env_id, num_envs=1, **SMALL).reset(seed=0)
    with pytest.raises(InvalidInput, match="must be shown its environment by watch first"):
        policy.predict(obs)
    with pytest.raises(InvalidInput, match="must be one that plays LinkActivation"):
        policy.watch(gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=1, **SMALL))
    with pytest.raises(InvalidInput, match="futures is 1"):
        looking(ScoredSchedule(starting_weights()), futures=1)
