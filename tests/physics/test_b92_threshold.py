"""The QBER at which B92's key vanishes without loss, found by trying."""

import pytest

from qkd_gym.physics import B92, Detector

PERFECT = Detector(1.0, 0.0)


def last_qber_with_key(overlap):
    """By halving the misalignment's interval through the link budget alone."""
    link, low, high = B92(detector=PERFECT, overlap=overlap), 0.0, 0.5
    for _ in range(40):
        middle = (low + high) / 2.0
        if link.evaluate(1.0, misalignment=middle).key_per_pulse > 0.0:
            low = middle
        else:
            high = middle
    return float(link.evaluate(1.0, misalignment=low).qber)


@pytest.mark.parametrize("overlap", [0.2, 0.5, 0.8])
def test_threshold_of_fixed_states(overlap):
    threshold = float(B92(overlap=overlap).qber_threshold)
    assert threshold == pytest.approx(last_qber_with_key(overlap), rel=1e-6)


def test_threshold_of_adapted_states_is_the_highest_of_any():
    """The more alike the states, the more errors they stand without loss."""
    each = [float(B92(overlap=c).qber_threshold) for c in (0.1, 0.4, 0.7, 0.99)]
    assert each == sorted(each)
    assert float(B92().qber_threshold) == pytest.approx(each[-1], rel=1e-9)
    assert each[-1] == pytest.approx(last_qber_with_key(0.99), rel=1e-6)
