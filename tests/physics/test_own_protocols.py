"""Protocols of users' own: what they must offer, and that links then run them."""

from dataclasses import dataclass
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym import names
from qkd_gym.errors import InvalidInput
from qkd_gym.network.tables import rate_table
from qkd_gym.physics import available_presets, preset, register_preset
from qkd_gym.physics.own import check_protocol

SHIPPED = available_presets()


@dataclass(frozen=True)
class Ideal:
    """Key from every photon that arrives, until errors take it all."""

    pulse_rate_hz: float = 1e6
    sifted_per_detection: float = 0.5
    qber_threshold: float = 0.2

    def evaluate(self, transmittance, misalignment=0.0):
        rate = 0.1 * self.pulse_rate_hz * transmittance * np.maximum(1.0 - 5.0 * misalignment, 0.0)
        return SimpleNamespace(gain=0.1 * transmittance, qber=misalignment, key_rate_bps=rate)


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(names, "_REGISTERED", {})
    yield
    rate_table.cache_clear()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_do_what_is_asked_of_others(name):
    check_protocol(preset(name))


def test_links_run_a_protocol_of_a_users_own():
    register_preset("ideal", Ideal())
    rate, sifted, qber = rate_table("ideal").look_up([10.0, 20.0], 0.02)
    np.testing.assert_allclose(rate, [1e6 * 0.01 * 0.9, 1e6 * 0.001 * 0.9], rtol=1e-5)
    np.testing.assert_allclose(sifted, [1e6 * 0.01 * 0.5, 1e6 * 0.001 * 0.5], rtol=1e-5)
    np.testing.assert_allclose(qber, 0.02, rtol=1e-5)
    double = rate_table("ideal(pulse_rate_hz=2e6)").look_up([10.0], 0.02)[0]
    np.testing.assert_allclose(double, 2.0 * rate[:1], rtol=1e-5)
    env = gym.make("qkd_gym/LinkActivation-v0", n_sites=6, bank_size=1, preset="ideal")
    env.reset(seed=0)
    assert env.step(0)[4]["generated_bits"] > 0


@dataclass(frozen=True)
class InBlocks(Ideal):
    """The same key, when so many sifted bits are there."""

    sifted_per_block: float = 1e6


def test_a_protocol_of_a_users_own_may_make_key_in_blocks():
    for name, protocol in (("ideal", Ideal()), ("blocks", InBlocks())):
        register_preset(name, protocol)
    assert rate_table("ideal").sifted_per_block == np.inf
    assert rate_table("blocks(sifted_per_block=1e5)").sifted_per_block == 1e5
    with pytest.raises(InvalidInput, match="protocol.sifted_per_block is 0.5, but must be"):
        register_preset("none", InBlocks(sifted_per_block=0.5))


def test_an_object_without_fields_has_none_to_change():
    register_preset("plain", SimpleNamespace(**vars(Ideal()), evaluate=Ideal().evaluate))
    with pytest.raises(InvalidInput, match="plain has no fields to change"):
        preset("plain(pulse_rate_hz=1)")


def changed(**changes):
    values = {**vars(Ideal()), "evaluate": Ideal().evaluate, **changes}
    return SimpleNamespace(**values)


def budget(**changes):
    good = {"gain": 0.1, "qber": 0.1, "key_rate_bps": 10.0}
    return changed(evaluate=lambda eta, misalignment: SimpleNamespace(**{**good, **changes}))


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        (object(), "protocol.pulse_rate_hz is None"),
        (changed(qber_threshold=1.2), "protocol.qber_threshold is 1.2"),
        (changed(evaluate=3), "protocol.evaluate is 3, but must be a method"),
        (changed(evaluate=lambda eta: None), "the keyword misalignment"),
        (budget(qber=1.5), "evaluate: qber is 1.5"),
        (budget(key_rate_bps=np.nan), "evaluate: key_rate_bps is nan"),
        (budget(gain=None), "evaluate: gain is None"),
        (budget(gain=np.ones(3)), r"gain has shape \(3,\), but must broadcast to \(5, 4\)"),
    ],
)
def test_what_a_protocol_lacks_is_one_sentence(protocol, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        register_preset("mine", protocol)
    assert "mine" not in available_presets()
