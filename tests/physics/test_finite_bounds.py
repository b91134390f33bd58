"""The bounds of finite blocks against the papers' equations, number by number."""

import math

import numpy as np
import pytest

from qkd_gym.physics.blocks import BlockCounts
from qkd_gym.physics.finite_key import one_decoy_key, sampling_deviation, two_decoy_key

SECRECY, CORRECTNESS, EFFICIENCY = 1e-9, 1e-12, 1.2
YIELD, NOISE, ERROR = 0.02, 8e-4, 0.01  # of a photon; of an empty pulse; of a photon's bit


def h(p):
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def block(intensities, probabilities, pulses):
    """Counts of a block as integers: key basis chosen by both with probability 0.9, test with 0.1.

    Clicks and errors are sums over the photons of a pulse.
    """
    columns = []
    for basis in (0.9, 0.1):
        clicks, errors = [], []
        for mu, p in zip(intensities, probabilities, strict=True):
            chance = [math.exp(-mu) * mu**n / math.factorial(n) for n in range(30)]
            light = [1 - (1 - YIELD) ** n for n in range(30)]
            gain = sum(c * (x + (1 - x) * NOISE) for c, x in zip(chance, light, strict=True))
            wrong = sum(
                c * (x * ERROR + (1 - x) * NOISE / 2) for c, x in zip(chance, light, strict=True)
            )
            clicks.append(round(pulses * p * basis**2 * gain))
            errors.append(round(pulses * p * basis**2 * wrong))
        columns += [np.array(clicks), np.array(errors)]
    return BlockCounts(*columns)


def gamma(secrecy, b, c, d, terms):
    """Below Eq. 5 of Lim et al."""
    ratio = (c + d) * (1 - b) * b / (c * d * math.log(2))
    return math.sqrt(ratio * math.log2((c + d) / (c * d * (1 - b) * b) * terms**2 / secrecy**2))


class Paper:
    """What the two analyses share: tau_n, n_k^+-, the phase error and the length."""

    def __init__(self, terms, mu, p):
        self.terms, self.mu, self.p = terms, mu, p
        pairs = list(zip(mu, p, strict=True))
        self.tau0 = sum(x * math.exp(-m) for m, x in pairs)
        self.tau1 = sum(x * math.exp(-m) * m for m, x in pairs)

    def delta(self, counts):
        return math.sqrt(counts.sum() / 2 * math.log(self.terms / SECRECY))

    def scaled(self, counts, k, sign):
        return math.exp(self.mu[k]) / self.p[k] * (counts[k] + sign * self.delta(counts))

    def result(self, counts, vacuum, ones, test_ones, test_wrong):
        rate = test_wrong / test_ones
        phase = rate + gamma(SECRECY, rate, test_ones, ones, self.terms)
        sifted, wrong = counts.key.sum(), counts.key_errors.sum()
        length = vacuum + ones * (1 - h(phase)) - EFFICIENCY * sifted * h(wrong / sifted)
        length -= 6 * math.log2(self.terms / SECRECY) + math.log2(2 / CORRECTNESS)
        return math.floor(length), vacuum, ones, phase


def lim(counts, mu, p):
    """Lim et al., PRA 89, 022307 (2014), Eqs. 1 to 5."""
    paper, (m1, m2, m3) = Paper(21, mu, p), mu

    def vacuum(n):
        events = m2 * paper.scaled(n, 2, -1) - m3 * paper.scaled(n, 1, 1)
        return max(paper.tau0 / (m2 - m3) * events, 0.0)

    def ones(n):
        rest = (m2**2 - m3**2) / m1**2 * (paper.scaled(n, 0, 1) - vacuum(n) / paper.tau0)
        difference = paper.scaled(n, 1, -1) - paper.scaled(n, 2, 1) - rest
        return paper.tau1 * m1 * difference / (m1 * (m2 - m3) - m2**2 + m3**2)

    wrong = counts.test_errors
    errors = paper.tau1 * (paper.scaled(wrong, 1, 1) - paper.scaled(wrong, 2, -1)) / (m2 - m3)
    return paper.result(counts, vacuum(counts.key), ones(counts.key), ones(counts.test), errors)


def rusca(counts, mu, p):
    """Rusca et al., APL 112, 171104 (2018), Eqs. 2 to 5 and A17 to A25."""
    paper, (m1, m2) = Paper(19, mu, p), mu
    low = paper.tau0 / (m1 - m2)
    low *= m1 * paper.scaled(counts.key, 1, -1) - m2 * paper.scaled(counts.key, 0, 1)

    def ones(n, wrong):
        high = min(paper.scaled(wrong, k, 1) for k in range(2))
        high = 2 * (paper.tau0 * high + paper.delta(n))
        events = paper.scaled(n, 1, -1) - (m2 / m1) ** 2 * paper.scaled(n, 0, 1)
        events -= (m1**2 - m2**2) / m1**2 * high / paper.tau0
        return paper.tau1 * m1 / (m2 * (m1 - m2)) * events

    wrong = counts.test_errors
    errors = paper.tau1 / (m1 - m2) * (paper.scaled(wrong, 0, 1) - paper.scaled(wrong, 1, -1))
    return paper.result(
        counts, low, ones(counts.key, counts.key_errors), ones(counts.test, wrong), errors
    )


ANALYSES = [
    (two_decoy_key, lim, (0.55, 0.13, 0.004), (0.5, 0.3, 0.2)),
    (one_decoy_key, rusca, (0.5, 0.04), (0.65, 0.35)),
]


@pytest.mark.parametrize(("analyse", "paper", "mu", "p"), ANALYSES)
@pytest.mark.parametrize("pulses", [1e11, 1e13])
def test_bounds_are_those_of_the_paper(analyse, paper, mu, p, pulses):
    counts = block(mu, p, pulses)
    key = analyse(counts, mu, p, EFFICIENCY, SECRECY, CORRECTNESS)
    length, vacuum, ones, phase = paper(counts, mu, p)
    assert length > 1e5  # the case tells something
    assert vacuum > 0
    # Whole bits, but for the rounding of two ways of summing.
    assert key.length_bits == math.floor(key.length_bits)
    assert key.length_bits == pytest.approx(length, rel=1e-9, abs=1.0)
    assert key.vacuum_events == pytest.approx(vacuum, rel=1e-9)
    assert key.single_photon_events == pytest.approx(ones, rel=1e-9)
    assert key.phase_error == pytest.approx(phase, rel=1e-9)


@pytest.mark.parametrize(("analyse", "paper", "mu", "p"), ANALYSES)
def test_too_few_counts_bound_nothing(analyse, paper, mu, p):
    """Bounds below zero are zero, and the phase error then is 1/2."""
    key = analyse(block(mu, p, 2e5), mu, p, EFFICIENCY, SECRECY, CORRECTNESS)
    assert (key.vacuum_events, key.single_photon_events) == (0.0, 0.0)
    assert key.phase_error == 0.5
    assert key.length_bits == 0.0


@pytest.mark.parametrize("terms", [19, 21])
def test_sampling_deviation(terms):
    found = sampling_deviation(SECRECY, [0.01, 0.2], [1e4, 1e6], [1e5, 2e5], terms)
    expected = [gamma(SECRECY, 0.01, 1e4, 1e5, terms), gamma(SECRECY, 0.2, 1e6, 2e5, terms)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # Nothing is known where nothing was tested or kept; without errors nothing can hide.
    assert sampling_deviation(SECRECY, 0.01, [0.0, 10.0], [10.0, 0.0]).tolist() == [0.5, 0.5]
    assert sampling_deviation(SECRECY, 0.0, 1e4, 1e4) == 0.0
