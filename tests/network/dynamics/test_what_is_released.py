"""Which link a full site gives up when another one is activated there, step by step.

The state is set by hand, so that one quantity alone decides.
"""

import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION

CALIBRATION_S, DWELL_S, CAPACITY = 120.0, 240.0, 1_000_000


class Site:
    """An episode in which a site with two modules runs two links, both used and long active."""

    def __init__(self):
        settings = {
            "bank_size": 1, "calibration_s": CALIBRATION_S, "dwell_s": DWELL_S,
            "pool_capacity_bits": CAPACITY,
        }  # fmt: skip
        self.core = Core("metro", settings, 1, LINK_ACTIVATION)
        self.core.generators = [np.random.default_rng(3)]
        self.core.start()
        sim = self.core.simulator
        self.links, n_links = sim.state.links, int(sim.bank.networks["n_links"][0])
        ends = sim.bank.link_endpoints[0, :n_links].astype(int)
        active = self.links["active"][0, :n_links] > 0
        used = sim.state.sites["modules_used"][0]
        # A free module at the other end, so that this site alone gives up a link.
        self.wanted, site = next(
            (e, ends[e, side])
            for e in np.flatnonzero(~active)
            for side in range(2)
            if used[ends[e, side]] == 2 and used[ends[e, 1 - side]] < 2
        )
        self.held = np.flatnonzero(active & (ends == site).any(axis=1))
        for name, value in (("freshness", 1.0), ("observed_rate", 1.0), ("blocked_average", 0.0),
                            ("demand_average", 100.0), ("running_time_s", 1e4)):  # fmt: skip
            self.links[name][0, self.held] = value
        self.links["pool"][0, self.held] = CAPACITY // 2

    def set(self, name, first, second):
        self.links[name][0, self.held] = first, second

    def released(self):
        """0 or 1, the one of the two links that the activation switches off."""
        self.core.step(np.array([self.wanted]))
        gone = self.links["active"][0, self.held] == 0
        assert gone.sum() == 1
        return int(np.flatnonzero(gone)[0])


@pytest.fixture(params=[False, True], ids=["as-it-is", "exchanged"])
def decides(request):
    """The first of the two links must go for these values; also with the links exchanged."""

    def check(**values):
        site = Site()
        for name, (gone, stays) in values.items():
            site.set(name, *((stays, gone) if request.param else (gone, stays)))
        assert site.released() == int(request.param)

    return check


def test_the_fuller_pool_is_needed_less(decides):
    decides(pool=(CAPACITY * 9 // 10, CAPACITY // 10))


def test_the_fuller_pool_is_needed_less_also_against_more_demand(decides):
    """200 x (1 - .9) = 20 is less than 100 x (1 - .1) = 90."""
    decides(pool=(CAPACITY * 9 // 10, CAPACITY // 10), demand_average=(200.0, 100.0))


def test_the_link_with_less_demand_is_needed_less(decides):
    decides(demand_average=(90.0, 100.0))


def test_blocked_demand_keeps_a_link_whatever_its_pool(decides):
    decides(blocked_average=(0.0, 60.0), pool=(CAPACITY // 2, CAPACITY))


def test_a_link_works_above_a_tenth_of_its_nominal_rate(decides):
    """Just below it is useless, just above it is as good as any."""
    decides(observed_rate=(0.09, 1.0), demand_average=(200.0, 100.0))
    decides(observed_rate=(1.0, 0.11), demand_average=(100.0, 200.0))


def test_an_old_observation_counts_as_the_nominal_rate_in_part(decides):
    """Nothing seen: 1 - .95 is no longer a tenth, 1 - .85 is."""
    decides(observed_rate=(0.0, 1.0), freshness=(0.95, 1.0), demand_average=(200.0, 100.0))
    decides(observed_rate=(1.0, 0.0), freshness=(1.0, 0.85), demand_average=(100.0, 200.0))


def test_protection_lasts_for_calibration_and_dwell(decides):
    """The needed link goes, since the other one has yielded key for less than the dwell time."""
    young = CALIBRATION_S + DWELL_S - 1.0
    decides(running_time_s=(1e4, young), demand_average=(200.0, 100.0))
    old = CALIBRATION_S + DWELL_S
    decides(running_time_s=(old, 1e4), demand_average=(100.0, 200.0))


def test_among_protected_links_need_decides(decides):
    decides(running_time_s=(10.0, 20.0), demand_average=(100.0, 200.0))
    decides(running_time_s=(20.0, 10.0), demand_average=(100.0, 200.0))
