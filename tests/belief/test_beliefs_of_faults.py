"""Ends of faults, against faults that are simulated one by one."""

import numpy as np
import pytest

from qkd_gym.belief.faults import FaultLaw, draw_ends

LAW = FaultLaw(np.array([2e-4]), 600.0, 1200.0)
COUNT = 200_000


def faults(clear_s, first_s, last_s):
    return np.array([[clear_s], [first_s], [last_s], [0.5]])


def simulated(rng, gap_s, law=LAW):
    """Ends of Poisson strikes in [0, gap], the last of those that last at its end, 0 without."""
    until = np.zeros(COUNT)
    count = rng.poisson(law.strikes_per_s[0] * gap_s, COUNT)
    for nth in range(count.max()):
        end = rng.random(COUNT) * gap_s + law.least_s + rng.exponential(law.mean_s, COUNT)
        until = np.where(nth < count, np.maximum(until, end), until)
    return np.where(until > gap_s, until, 0.0)


@pytest.mark.parametrize("gap_s", [0.0, 300.0, 5000.0])
def test_faults_of_links_that_were_clear_a_while_ago(gap_s):
    rng = np.random.default_rng(0)
    ends, _ = draw_ends(faults(0.0, 0.0, 0.0), LAW, gap_s, 30.0, COUNT, rng)
    expected, drawn = simulated(rng, gap_s), ends[:, 0]
    assert (drawn > 0.0).mean() == pytest.approx((expected > 0.0).mean(), abs=0.005)
    if gap_s:
        # Of two at a time the later end counts; here there is one, which lasts a little shorter.
        left, truly = drawn[drawn > 0.0] - gap_s, expected[expected > 0.0] - gap_s
        assert np.median(left) == pytest.approx(np.median(truly), rel=0.12)


@pytest.mark.parametrize(
    ("clear_s", "first_s", "last_s", "now_s"),
    [(970.0, 1000.0, 1000.0, 1000.0), (0.0, 900.0, 1000.0, 1200.0), (0.0, 2500.0, 4000.0, 4000.0)],
)
def test_faults_that_were_seen(clear_s, first_s, last_s, now_s):
    """One strike after the link was clear, seen from ``first`` to ``last``."""
    rng = np.random.default_rng(0)
    rare = LAW._replace(strikes_per_s=np.array([1e-12]))
    ends, is_seen = draw_ends(faults(clear_s, first_s, last_s), rare, now_s, 30.0, COUNT, rng)
    assert is_seen.all()
    onset = rng.uniform(clear_s, first_s, 20 * COUNT)
    end = onset + LAW.least_s + rng.exponential(LAW.mean_s, onset.shape)
    expected = end[end > last_s]
    assert len(expected) > 10_000
    for share in (0.1, 0.5, 0.9):
        drawn = np.quantile(ends[:, 0], share)
        assert drawn - last_s == pytest.approx(np.quantile(expected, share) - last_s, rel=0.03)


def test_a_fault_that_is_over_may_be_followed_by_another():
    """A link seen out long ago, and then switched off."""
    rng = np.random.default_rng(0)
    ends, is_seen = draw_ends(faults(0.0, 30.0, 30.0), LAW, 50_000.0, 30.0, COUNT, rng)
    on = ends[:, 0] > 50_000.0
    chance = 1.0 - np.exp(-2e-4 * (600.0 + 1200.0))
    assert on.mean() == pytest.approx(chance, abs=0.005)
    assert not is_seen[on].any()
