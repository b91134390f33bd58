"""Whoever waits for a large network is told how far it is."""

import sys

import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, preparation, report_preparation
from qkd_gym.network.bank import NetworkBank
from qkd_gym.topology import clustered, load


@pytest.fixture
def told():
    calls = []
    before = report_preparation(lambda *call: calls.append(call))
    yield calls
    report_preparation(before)


def prepare(network):
    NetworkBank(NetworkConfig(topology=network, bank_size=1)).ensure(0)


def test_stages_come_in_order_with_what_is_done(told):
    prepare(clustered(40, seed=1))
    stages = list(dict.fromkeys(stage for stage, *_ in told))
    assert stages == ["static plan", "candidate paths", ""]
    plan = [call[1:] for call in told if call[0] == "static plan"]
    assert [done for done, _ in plan] == list(range(len(plan)))
    assert {total for _, total in plan} == {0}
    assert [call[1:] for call in told if call[0] == "candidate paths"] == [
        (i, 39) for i in range(39)
    ]
    assert told.count(("", 0, 0)) == 1


def test_a_preparation_that_fails_ends_too(told):
    with pytest.raises(InvalidInput, match="cannot carry any demand"):
        prepare(load("nsfnet-x0.05").scaled(20.0))
    assert told[-1] == ("", 0, 0)


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_only_what_takes_long_is_shown_and_then_until_its_end(monkeypatch, capsys, with_tqdm):
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    now_s = 100.0
    monkeypatch.setattr(preparation.time, "monotonic", lambda: now_s)
    show = preparation._Shown()
    show("static plan", 0, 0)
    now_s += 4.0
    show("candidate paths", 3, 9)
    assert capsys.readouterr().err == ""
    now_s += 2.0
    show("candidate paths", 5, 9)
    shown = capsys.readouterr().err
    assert "Preparing a network: candidate paths" in shown
    assert "5" in shown
    assert "9" in shown
    show("", 0, 0)
    capsys.readouterr()
    # The next one has its own time.
    show("static plan", 0, 0)
    assert capsys.readouterr().err == ""
