"""The printed formulas in 60 digits: what double precision must not lose, from metres to 400 km."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from qkd_gym.physics import BB84, BBM92, CVQKD, E91, MDI, Detector, Fiber

LENGTHS_KM = (0.001, 0.1, 1.0, 7.0, 20.0, 50.0, 100.0, 140.0, 170.0, 200.0, 300.0, 400.0)
HALF = mp.mpf(1) / 2


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(60):
        yield


def exact(value):
    """The binary number itself, not its decimal print."""
    return mp.mpf(float(value))


def entropy(x):
    return mp.mpf(0) if x <= 0 or x >= 1 else -(x * mp.log(x, 2) + (1 - x) * mp.log(1 - x, 2))


def agrees(ours, theirs, rel=1e-9):
    assert float(ours) == pytest.approx(float(theirs), rel=rel, abs=0.0)


def threshold_clicks(light, pd, error):
    """Gain and error gain of two threshold detectors, double clicks at random."""
    right = (1 - pd) * mp.exp(-light * (1 - error))
    wrong = (1 - pd) * mp.exp(-light * error)
    return 1 - right * wrong, (1 + right - wrong - right * wrong) / 2


def bb84_key(decoy, mu, nu, eta, pd, error, f):
    """Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005); GLLP without decoys."""
    q, wrong = threshold_clicks(eta * mu, pd, error)
    leak = f * q * entropy(wrong / q)
    y0 = 1 - (1 - pd) ** 2
    if decoy == "none":
        tagged = (1 - (1 + mu) * mp.exp(-mu)) / q
        if tagged >= 1:
            return mp.mpf(0)
        e = min(wrong / q / (1 - tagged), HALF)
        return max((q * (1 - tagged) * (1 - entropy(e)) - leak) / 2, 0)
    if decoy == "infinite":
        y1 = y0 + eta - y0 * eta
        e1 = (y0 / 2 + error * eta) / y1
    else:
        q_nu, wrong_nu = threshold_clicks(eta * nu, pd, error)
        errors = wrong_nu * mp.exp(nu)
        background = y0 if decoy == "vacuum+weak" else 2 * errors
        rest = q * mp.exp(mu) * nu**2 + (mu**2 - nu**2) * background
        y1 = mu / (mu * nu - nu**2) * (q_nu * mp.exp(nu) - rest / mu**2)
        e1 = (errors - (y0 / 2 if decoy == "vacuum+weak" else 0)) / (y1 * nu) if y1 > 0 else HALF
    secret = mu * mp.exp(-mu) * max(y1, 0) * (1 - entropy(min(e1, HALF)))
    return max((secret - leak) / 2, 0)


@pytest.mark.parametrize("decoy", ["infinite", "vacuum+weak", "one", "none"])
@pytest.mark.parametrize("error", [0.0, 0.015, 0.033, 0.06])
@pytest.mark.parametrize("dark", [1e-8, 1e-6, 1e-4])
def test_bb84(decoy, error, dark):
    for eta in Fiber().transmittance(LENGTHS_KM):
        mu = 0.5 if decoy != "none" else max(0.06 * eta, 1e-9)
        protocol = BB84(
            detector=Detector(0.1, dark),
            mean_photon_number=mu,
            decoy=decoy,
            misalignment=error,
        )
        ours = protocol.evaluate(eta)
        numbers = [exact(x) for x in (mu, 0.1, eta * 0.1, dark, error, 1.16)]
        gain, wrong = threshold_clicks(numbers[2] * numbers[0], numbers[3], numbers[4])
        agrees(ours.gain, gain)
        agrees(ours.qber, wrong / gain)
        agrees(ours.key_per_pulse, bb84_key(decoy, *numbers))


@pytest.mark.parametrize("error", [0.0, 0.015, 0.05])
@pytest.mark.parametrize("dark", [1e-8, 3e-6, 1e-4])
def test_pairs(error, dark):
    """Ma, Fung, Lo, PRA 76, 012307 (2007), as printed."""
    for eta in Fiber().transmittance(LENGTHS_KM):
        b, arm = exact(0.05), exact(0.145) * mp.sqrt(exact(eta))
        y0 = 1 - (1 - exact(dark)) ** 2
        seen = 1 + (2 * arm - arm**2) * b
        gain = 1 - 2 * (1 - y0) / (1 + arm * b) ** 2 + ((1 - y0) / seen) ** 2
        pair = arm**2 * b * (1 + b) / ((1 + arm * b) ** 2 * seen)
        qber = HALF - 2 * (HALF - exact(error)) * pair / gain
        secret = 1 - (1 + exact(1.16)) * entropy(qber)
        detector = Detector(0.145, dark)
        ours = BBM92(detector=detector, misalignment=error).evaluate(eta)
        agrees(ours.gain, gain)
        agrees(ours.qber, qber)
        agrees(ours.key_per_pulse, max(gain * secret / 2, 0))
        violated = 2 * mp.sqrt(2) * (1 - 2 * qber) > 2
        e91 = E91(detector=detector, misalignment=error).evaluate(eta)
        agrees(e91.key_per_pulse, max(gain * secret * 2 / 9, 0) if violated else 0)


@pytest.mark.parametrize("error", [0.0, 0.015, 0.05])
@pytest.mark.parametrize("dark", [1e-8, 3e-6, 1e-4])
def test_mdi(error, dark):
    """Ma, Razavi, PRA 86, 062319 (2012), as printed."""
    for eta in Fiber().transmittance(LENGTHS_KM):
        mu, pd, arm = exact(0.4), exact(dark), exact(0.145) * mp.sqrt(exact(eta))
        half = mp.exp(-arm * mu)
        silent = (1 - pd) * mp.exp(-arm * mu / 2)
        correct = 2 * (1 - pd) ** 2 * half * (1 - silent) ** 2
        beat = mp.besseli(0, arm * mu) - (1 - pd) * half
        wrong = 2 * pd * (1 - pd) ** 2 * half * beat
        gain = correct + wrong
        qber = (exact(error) * correct + (1 - exact(error)) * wrong) / gain
        random = (4 * arm - 3 * arm**2) * pd + 4 * (1 - arm) ** 2 * pd**2
        y11 = (1 - pd) ** 2 * (arm**2 / 2 + random)
        e11 = (y11 / 2 - (HALF - exact(error)) * (1 - pd) ** 2 * arm**2 / 2) / y11
        secret = mu**2 * mp.exp(-2 * mu) * y11 * (1 - entropy(e11))
        protocol = MDI(detector=Detector(0.145, dark), misalignment=error, mean_photon_number=0.4)
        ours = protocol.evaluate(eta)
        agrees(ours.gain, gain)
        agrees(ours.qber, qber)
        agrees(ours.key_per_pulse, max(secret - gain * exact(1.16) * entropy(qber), 0))


def thermal(eigenvalue):
    x = (eigenvalue - 1) / 2
    return (x + 1) * mp.log(x + 1, 2) - x * mp.log(x, 2) if x > 0 else mp.mpf(0)


def pair_of_roots(total, product):
    root = mp.sqrt(total**2 - 4 * product)
    return [mp.sqrt((total + sign * root) / 2) for sign in (1, -1)]


# Machines without extended precision lose the last digits of the longest fibres.
WIDE = np.finfo(np.longdouble).eps < 1e-18


@pytest.mark.parametrize("detection", ["homodyne", "heterodyne"])
@pytest.mark.parametrize("noise", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("modulation", [1.0, 5.0, 1000.0])
def test_continuous_variables(detection, noise, modulation):
    """Lodewyck et al., PRA 76, 042305 (2007); Fossier et al., J. Phys. B 42, 114014 (2009)."""
    system = CVQKD(modulation_variance=modulation, excess_noise=noise, detection=detection)
    for eta in Fiber().transmittance(LENGTHS_KM):
        t, v = exact(eta), exact(modulation) + 1
        eff, electronic = exact(0.6), exact(0.05)
        line = 1 / t - 1 + exact(noise)
        two = detection == "heterodyne"
        receiver = (1 + two - eff + (1 + two) * electronic) / eff
        total = line + receiver / t
        shared = mp.log((v + total) / (1 + total), 2) / (1 if two else 2)
        a = v**2 * (1 - 2 * t) + 2 * t + t**2 * (v + line) ** 2
        root = t * (v * line + 1)
        reach = t * (v + total)
        if two:
            mixed = 2 * receiver * (v * root + t * (v + line)) + 2 * t * (v**2 - 1)
            c = (a * receiver**2 + root**2 + 1 + mixed) / reach**2
            d = ((v + root * receiver) / reach) ** 2
        else:
            c = (a * receiver + v * root + t * (v + line)) / reach
            d = root * (v + root * receiver) / reach
        holevo = sum(map(thermal, pair_of_roots(a, root**2)))
        holevo -= sum(map(thermal, pair_of_roots(c, d)))
        key = max(exact(0.95) * shared - holevo, 0)
        ours = system.evaluate(eta).key_per_pulse
        assert float(ours) == pytest.approx(float(key), rel=1e-6 if WIDE else 1e-4, abs=1e-14)
