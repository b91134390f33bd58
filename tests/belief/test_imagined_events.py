"""An operator plans with the faults that are known, and knows no end that was not announced."""

import gymnasium as gym
import numpy as np
from scipy import stats

import qkd_gym  # noqa: F401
from qkd_gym.belief.events import imagine_events
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.network.faults import EVENT, Fault, fault_records

ALPHA = 1e-4
POWER = Fault(
    "power", strikes="site", per_hour=20.0, duration_min_s=300.0, duration_mean_s=900.0,
    detection_s=60.0,
)  # fmt: skip
WORK = Fault("work", strikes="duct", per_hour=6.0, duration_min_s=900.0, announced_s=1200.0)
BLINDED = Fault("blinded", effect="blinding", per_hour=20.0, duration_mean_s=900.0)
FAULTS = (POWER, WORK, BLINDED)
NOW_S = 3000.0


def imagined(fault, onset_s, until_s, rows=4000):
    events = np.zeros((rows, 1), EVENT)
    events["fault"], events["place"] = FAULTS.index(fault), 3
    events["onset_s"], events["until_s"] = onset_s, until_s
    found = imagine_events(events, fault_records(FAULTS, 1), NOW_S, np.random.default_rng(7))
    for name in ("fault", "place", "onset_s"):
        assert (found[name] == events[name]).all()
    return found["until_s"][:, 0]


def test_the_end_of_a_fault_with_an_alarm_is_drawn_again():
    for onset_s, least_s in ((2800.0, 100.0), (2000.0, 0.0)):
        left_s = imagined(POWER, onset_s, NOW_S + 5.0) - NOW_S
        assert stats.kstest(left_s, stats.expon(least_s, 900.0).cdf).pvalue > ALPHA


def test_what_has_no_alarm_is_not_there():
    assert (imagined(POWER, NOW_S - 59.0, NOW_S + 900.0) <= NOW_S).all()
    assert (imagined(BLINDED, NOW_S - 900.0, NOW_S + 900.0) <= NOW_S).all()
    assert (imagined(POWER, 1000.0, 2000.0) <= NOW_S).all()


def test_what_was_announced_is_known():
    for onset_s in (NOW_S - 200.0, NOW_S + 200.0):
        assert (imagined(WORK, onset_s, NOW_S + 700.0) == NOW_S + 700.0).all()


def test_plans_do_not_hang_on_what_is_hidden():
    env = gym.make(LINK_SCHEDULING.env_id, bank_size=1, episode_s=3600.0, faults=FAULTS).unwrapped
    env.track_belief()
    env.reset(seed=2)
    hold = env.action_space.n - 1
    for _ in range(30):
        env.step(hold)
    state = env.core.simulator.state
    now_s = state.episodes["interval"][0] * 30.0

    def planned():
        model = env.branch(16, seed=3)
        rates = model.simulator.true_links()[0]
        for _ in range(10):
            model.step(np.full(16, hold))
        return rates, model.observe()["links"], model.simulator.state.accounts.copy()

    before = planned()
    events = state.events[0]
    lasts, kind = events["until_s"] > now_s, events["fault"]
    is_known = now_s - events["onset_s"] >= POWER.detection_s
    alarmed, hidden = lasts & (kind == 0) & is_known, lasts & (kind == 2)
    assert alarmed.any()
    assert hidden.any()
    events["until_s"][alarmed] += 3600.0
    events["until_s"][hidden] = 0.0
    for first, second in zip(before, planned(), strict=True):
        np.testing.assert_array_equal(first, second)
    # What is known does matter.
    events["until_s"][alarmed] = 0.0
    assert (planned()[0] != before[0]).any()
