"""Settings of training networks: what one network must learn to infer, and what it cannot."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from qkd_gym.gnn import settings
from qkd_gym.gnn.hidden import REFERENCE, STRONGER, WEAKER
from qkd_gym.gnn.settings import draw_setting

SPREADS = {
    "site_misalignment": settings.SITE_MISALIGNMENT,
    "link_excess_loss_db": settings.LINK_EXCESS_LOSS_DB,
}


def drawn(n_links, count=3000):
    rng = np.random.default_rng(0)
    return [draw_setting(rng, n_links) for _ in range(count)]


def field(found, name):
    return np.array([getattr(setting, name) for setting in found])


def test_spreads_reach_beyond_what_is_tested_and_none_is_missing():
    found = drawn(n_links=1000)
    for name, ends in SPREADS.items():
        for setting in (WEAKER, REFERENCE, STRONGER):
            assert ends[0] < getattr(setting, name) < ends[1]
        values = field(found, name)
        assert values.min() >= ends[0]
        assert values.max() <= ends[1]
        place = np.log(values / ends[0]) / np.log(ends[1] / ends[0])
        # Evenly by their logarithms, which the few that are the reference's hardly change; four
        # standard errors.
        assert np.abs(np.histogram(place, 5, (0, 1))[0] / len(found) - 0.2).max() < 0.03


def test_spreads_of_sites_and_links_are_no_copy_of_each_other():
    found = drawn(n_links=1000)
    places = [
        np.log(field(found, name) / ends[0]) / np.log(ends[1] / ends[0])
        for name, ends in SPREADS.items()
    ]
    together = np.isclose(*places, atol=1e-9).mean()
    assert 0.4 < together < 0.6
    assert 0.4 < np.corrcoef(*places)[0, 1] < 0.6


def test_measured_shares_reach_from_a_few_links_to_nearly_all():
    shares = field(drawn(n_links=1000), "measured_share")
    assert shares.min() < 0.06
    assert shares.max() > 0.85
    assert abs((shares == REFERENCE.measured_share).mean() - 0.4) < 0.04
    # Many small shares: as many below a fifth as above, of those that are drawn.
    free = shares[shares != REFERENCE.measured_share]
    assert 0.4 < (free < 0.2).mean() < 0.55


def test_networks_too_small_to_tell_mostly_have_the_spreads_of_the_reference():
    share = {
        n: (field(drawn(n), "site_misalignment") == REFERENCE.site_misalignment).mean()
        for n in (2, 20, 1000)
    }
    assert 0.75 < share[2] < 0.85
    assert share[2] > share[20] > share[1000]
    assert share[1000] < 0.05
