"""What events do to key rate and QBER, against the physics that they stand for."""

import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION, ROUTING
from qkd_gym.network.tables import rate_table
from qkd_gym.physics.attacks import intercept_resend_qber

STILL = {
    "outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0, "drift_std": 0.0,
    "site_misalignment": 0.0, "link_excess_loss_db": 0.0, "fog_loss_db": 0.0, "bank_size": 1,
}  # fmt: skip
ALWAYS = {"name": "f", "per_place_hour": 0.02, "duration_min_s": 36_000.0}


def started(*faults, task=LINK_ACTIVATION, episodes=20, **settings):
    core = Core("metro", {**STILL, "faults": list(faults), **settings}, episodes, task)
    core.generators = [np.random.default_rng([43, b]) for b in range(episodes)]
    core.start()
    return core


def truth(core):
    """Rate and QBER, what strikes, and loss, of every real link."""
    links = int(core.simulator.bank.networks["n_links"][0])
    rate, qber = (each[:, :links] for each in core.simulator.true_links())
    events = core.simulator.state.events
    places = core.simulator.bank.event_places[0, 0, 0, :links]
    struck = [[events[b][events[b]["place"] == e] for e in places] for b in range(core.batch)]
    struck = [[each[each["until_s"] > 0.0] for each in row] for row in struck]
    counts = np.array([[len(each) for each in row] for row in struck])
    assert 0.1 < (counts > 0).mean() < 0.5
    assert counts.max() > 1
    return rate, qber, struck, counts, core.simulator.bank.links["loss_db"][0, :links]


def test_an_outage_leaves_no_key():
    rate, qber, _, counts, _ = truth(started(ALWAYS))
    assert (rate[counts > 0] == 0.0).all()
    assert (qber[counts > 0] == 0.5).all()
    assert (rate[counts == 0] > 0.0).any()


def test_eavesdropping_is_intercept_resend_one_after_the_other():
    fault = {**ALWAYS, "effect": "eavesdropping", "intercepted_fraction": 0.05}
    rate, qber, struck, counts, loss_db = truth(started(fault, misalignment=0.02))
    error = np.full(counts.shape, 0.02)
    for b, row in enumerate(struck):
        for e, events in enumerate(row):
            for event in events:
                assert 0.05 <= event["fraction"] <= 1.0
                error[b, e] = intercept_resend_qber(error[b, e], event["fraction"])
    for b in range(len(rate)):
        expected, _, expected_qber = rate_table("reference").look_up(loss_db, error[b])
        np.testing.assert_allclose(qber[b], expected_qber, rtol=1e-4)
        np.testing.assert_allclose(rate[b], expected, rtol=1e-3, atol=1.0)


def test_jamming_has_the_rates_of_stray_light():
    fault = {**ALWAYS, "effect": "jamming", "stray_photons": 2e-3}
    rate, qber, _, counts, loss_db = truth(started(fault))
    for photons, of in ((0.0, counts == 0), (2e-3, counts > 0)):
        expected, _, expected_qber = rate_table("reference", None, photons).look_up(loss_db, 0.015)
        np.testing.assert_allclose(rate[of], np.broadcast_to(expected, rate.shape)[of], rtol=1e-5)
        wanted = np.broadcast_to(expected_qber, qber.shape)[of]
        np.testing.assert_allclose(qber[of], wanted, rtol=1e-5)


def test_of_several_lamps_the_brightest_counts():
    lamps = [{**ALWAYS, "name": f"lamp-{i}", "effect": "jamming", "stray_photons": photons}
             for i, photons in enumerate((5e-3, 1e-3))]  # fmt: skip
    for each in lamps:
        each["per_place_hour"] = 0.2  # so that hardly a link has none
    core = started(*lamps)
    events, links = core.simulator.state.events, int(core.simulator.bank.networks["n_links"][0])
    _, qber = core.simulator.true_links()
    bright = np.zeros((core.batch, links), bool)
    for b, i in zip(*np.nonzero((events["until_s"] > 0.0) & (events["fault"] == 0)), strict=True):
        bright[b, events["place"][b, i]] = True
    loss_db = core.simulator.bank.links["loss_db"][0, :links]
    expected = np.broadcast_to(rate_table("reference", None, 5e-3).look_up(loss_db, 0.015)[2],
                               bright.shape)  # fmt: skip
    np.testing.assert_allclose(qber[:, :links][bright], expected[bright], rtol=1e-5)
    assert bright.mean() > 0.5


def test_ageing_adds_loss_until_it_is_repaired():
    fault = {**ALWAYS, "effect": "ageing", "loss_db_per_hour": 0.6}
    core = started(fault)
    core.step(np.full(core.batch, core.simulator.max_links))
    rate, qber, struck, _, loss_db = truth(core)
    for b, row in enumerate(struck):
        hours = np.array([((30.0 - events["onset_s"]) / 3600.0).sum() for events in row])
        expected, _, expected_qber = rate_table("reference").look_up(loss_db + 0.6 * hours, 0.015)
        np.testing.assert_allclose(qber[b], expected_qber, rtol=1e-4)
        np.testing.assert_allclose(rate[b], expected, rtol=1e-4, atol=0.1)


@pytest.mark.parametrize("task", [LINK_ACTIVATION, ROUTING])
def test_blinding_shows_nowhere_but_in_the_account_of_exposed_key(task):
    fault = {**ALWAYS, "effect": "blinding", "per_place_hour": 0.1, "duration_min_s": 1800.0}
    blinded, plain = started(fault, task=task), started(task=task)
    places, total = blinded.simulator.bank.event_places[0, 0, 0], 0
    last = (plain.simulator.bank.path_hops.shape[2] if task is ROUTING
            else plain.simulator.max_links)  # fmt: skip
    for _ in range(60):
        state = blinded.simulator.state
        before, ever = state.struck["exposed"].copy(), state.links["stored_ever"].copy()
        interval = state.episodes["interval"].copy()
        for core in (blinded, plain):
            core.step(np.full(core.batch, last))
        one = np.flatnonzero(state.episodes["interval"] == interval + 1)
        stored = state.links["stored_ever"] - ever
        exposed = blinded.info()["exposed_bits"]
        np.testing.assert_array_equal(exposed[one], (stored * before).sum(axis=1)[one])
        total += exposed.sum()
        theirs = plain.info()
        assert (theirs["exposed_bits"] == 0).all()
        for name, values in blinded.info().items():
            if name not in ("exposed_bits", "reward_terms"):
                np.testing.assert_array_equal(values, theirs[name])
        for name, values in plain.observe().items():
            np.testing.assert_array_equal(values, blinded.observe()[name])
        assert (blinded.observe()["alarms"] == 0.0).all()
    assert total > 0
    assert places.max() > 0


def test_links_that_run_show_at_the_start_what_lasts_and_older_measurements_do_not():
    core = started({**ALWAYS, "per_place_hour": 0.1})
    links = core.simulator.state.links
    dark = core.simulator.state.struck["dark"] > 0.0
    running, measured = links["active"] > 0.0, (links["freshness"] > 0.0)
    assert (links["observed_rate"][running & dark] == 0.0).all()
    assert (links["observed_rate"][running & ~dark] > 0.0).any()
    assert (links["observed_rate"][measured & ~running & dark] > 0.0).any()
