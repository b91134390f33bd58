"""Predicted beside published rates: the page is current, and equipment explains rates better."""

import numpy as np
import pytest

from qkd_gym.topology import DEPLOYED
from studies import deployed


def test_the_page_is_current():
    assert deployed.FILE.read_text(encoding="utf-8") == deployed.page(), (
        "python -m studies.deployed"
    )


@pytest.mark.parametrize("name", DEPLOYED)
def test_described_equipment_is_nearer_to_published_rates(name):
    plain, described = (np.abs(np.log(each)) for each in deployed.factors(name))
    assert described.mean() < plain.mean()


def test_every_link_says_what_its_preset_stands_on():
    for name in DEPLOYED:
        for link in deployed.links(name):
            assert len(link.basis) > 20, link
            if link.published is None:
                assert deployed.row(link)[3] == "silent"
