"""Fields that state their allowed values."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.fields import Real, check_fields, choice, integer, number, real


@dataclass(frozen=True)
class Pump:
    power_w: float = number(1.0, 0.0, unit="W")
    share: Real | str = real(0.5, 0.0, 1.0, low_open=True, high_open=True, word="optimal")
    loss: Real = real(0.0)
    pulses: int = integer(3, 1, 8)
    mode: str = choice("pulsed", ("pulsed", "continuous"))
    name: str = "pump"

    def __post_init__(self):
        check_fields(self)


def test_defaults_and_allowed_values_pass():
    assert Pump() == Pump(1.0, 0.5, 0.0, 3, "pulsed")
    assert Pump(share="optimal").share == "optimal"
    assert dataclasses.replace(Pump(), power_w=2).power_w == 2


def test_real_fields_become_floats_or_arrays():
    pump = Pump(power_w=2, share=[0.25, 0.75], loss=1)
    assert isinstance(pump.power_w, int)
    assert isinstance(pump.loss, float)
    assert pump.share.dtype == np.float64
    np.testing.assert_array_equal(pump.share, [0.25, 0.75])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"power_w": -1.0}, "power_w is -1, but must be at least 0 W"),
        ({"power_w": float("nan")}, "power_w is nan"),
        ({"share": [0.5, 1.0]}, r"share is 1, but must be in \(0, 1\)"),
        ({"share": "best"}, "share is 'best', but must be one of 'optimal'"),
        ({"loss": "some"}, "loss is 'some', but must be a number"),
        ({"pulses": 9}, r"pulses is 9, but must be in \[1, 8\]"),
        ({"pulses": 2.5}, r"pulses is 2.5, but must be an integer in \[1, 8\]"),
        ({"mode": "pulse"}, "mode is 'pulse'.*Did you mean 'pulsed'"),
    ],
)
def test_bad_values_are_named(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        Pump(**arguments)


@dataclass(frozen=True)
class Optional:
    share: float | None = number(None, 0.0, 1.0)
    count: int | None = integer(None, 1)

    def __post_init__(self):
        check_fields(self)


def test_a_field_whose_default_is_none_may_be_none():
    assert Optional() == Optional(None, None)
    assert Optional(0.5, 3).count == 3
    with pytest.raises(InvalidInput, match=r"share is 2, but must be in \[0, 1\]"):
        Optional(share=2.0)
    with pytest.raises(InvalidInput, match="power_w is None"):
        Pump(power_w=None)


def test_numbers_of_numpy_become_pythons():
    pump = Pump(power_w=np.float32(0.5), pulses=np.uint8(4))
    assert (type(pump.power_w), type(pump.pulses)) == (float, int)
    assert pump == Pump(power_w=0.5, pulses=4)
