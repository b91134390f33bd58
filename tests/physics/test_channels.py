"""Channels, stray light and fading against published values and Monte Carlo."""

import dataclasses

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import (
    BB84,
    SKY_RADIANCE,
    Detector,
    Fiber,
    FreeSpace,
    fading_average,
    gamma_gamma_fading,
    log_normal_fading,
    photons_per_gate,
    plob_bound,
    raman_power_w,
    rytov_variance,
    sky_photons,
)


def test_fiber():
    assert Fiber().transmittance(50.0) == pytest.approx(0.1)
    assert Fiber(fixed_loss_db=3.0).transmittance(35.0) == pytest.approx(0.1)
    assert Fiber().transmittance(np.ones((2, 3))).shape == (2, 3)
    spliced = Fiber(connectors=2, connector_loss_db=0.5, splices_per_km=0.5, splice_loss_db=0.1)
    assert spliced.loss_db(10.0) == pytest.approx(2.0 + 1.0 + 0.5)


@pytest.mark.parametrize(
    ("eta", "bound"),
    [
        (1e-18, 1e-18 / np.log(2)),
        (1e-4, 1.442768e-4),
        (0.01, 0.01449957),
        (0.1, 0.1520031),
        (0.5, 1.0),
        (0.724436, 1.859541),
    ],
)
def test_capacity(eta, bound):
    assert plob_bound(eta) == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize(
    ("visibility_km", "wavelength_nm", "db_per_km"),
    [
        (23, 850, 0.4195),
        (23, 1550, 0.1921),
        (10, 850, 0.9647),
        (10, 1550, 0.4418),
        (2, 850, 6.373),
        (2, 1550, 4.287),
        (0.5, 850, 33.98),
        (0.5, 1550, 33.98),
        (0.2, 850, 84.95),
        (0.2, 1550, 84.95),
    ],
)
def test_kim_extinction(visibility_km, wavelength_nm, db_per_km):
    air = FreeSpace(visibility_km=visibility_km, wavelength_nm=wavelength_nm)
    assert air.extinction_db_per_km() == pytest.approx(db_per_km, rel=2e-4)


def test_free_space_falls_with_distance_and_stays_below_one():
    eta = FreeSpace().transmittance(np.linspace(0.0, 30.0, 200))
    assert (np.diff(eta) < 0).all()
    assert 0 < eta[-1] < eta[0] < 1


def test_pointing_jitter_is_the_mean_over_gaussian_errors():
    """A receiver much smaller than the beam, aimed at it with random errors on two axes."""
    beam = FreeSpace(receiver_radius_m=0.001, fixed_loss_db=0.0, visibility_km=1e6)
    aimed = dataclasses.replace(beam, pointing_jitter_urad=0.0)
    jittery = dataclasses.replace(beam, pointing_jitter_urad=10.0)
    rng, metres = np.random.default_rng(2), 5000.0
    width2 = 0.05**2 + (850e-9 * metres / (np.pi * 0.05)) ** 2
    offset = 10e-6 * metres * rng.standard_normal((2, 400_000))
    sampled = np.exp(-2 * (offset**2).sum(axis=0) / width2)
    ratio = jittery.transmittance(5.0) / aimed.transmittance(5.0)
    assert abs(sampled.mean() - ratio) < 4.5 * sampled.std() / np.sqrt(sampled.size)


@pytest.mark.parametrize(
    ("sky", "photons"),
    [("moonless", 2.0e-8), ("full moon", 2.0e-6), ("hazy day", 2.0e-2), ("clear day", 2.0e-3)],
)
def test_sky_background(sky, photons):
    """A field of view of 1e-8 sr, 10 cm, 1 nm, 1 ns at 850 nm."""
    assert sky_photons(SKY_RADIANCE[sky], 1e-8, 0.1, 1.0, 1e-9) == pytest.approx(photons, rel=0.02)


def test_raman_scattering():
    forward = raman_power_w([0.0, 10.0, 21.7, 80.0], 1e-3, 0.2)
    assert forward[0] == 0
    # Forward scattering peaks at a length of 1 / a = 10 / (0.2 ln 10) = 21.7 km.
    assert forward[2] == forward.max()
    assert forward[1] == pytest.approx(1e-3 * 0.2 * 2.5e-9 * 10 * 10**-0.2)
    back = raman_power_w([1e-3, 200.0], 1e-3, 0.2, backward=True)
    assert back[0] == pytest.approx(1e-3 * 0.2 * 2.5e-9 * 1e-3, rel=1e-3)
    assert back[1] == pytest.approx(1e-3 * 0.2 * 2.5e-9 * 21.7147 / 2, rel=1e-4)
    # 1 fW at 1550 nm is 7800 photons per second.
    assert photons_per_gate(1e-15, 1.0, 1550.0) == pytest.approx(7803, rel=1e-3)


def test_a_classical_channel_shortens_the_reach():
    km = 60.0
    power = raman_power_w(km, 1e-5, 0.2)
    noisy = Detector().with_stray_light(photons_per_gate(power, 1e-9, 1550.0))
    eta = Fiber().transmittance(km)
    quiet, shared = BB84().evaluate(eta), BB84(detector=noisy).evaluate(eta)
    assert shared.qber > quiet.qber
    assert 0 < shared.key_per_pulse < quiet.key_per_pulse


def test_stray_light_adds_before_it_clicks():
    """Two sources of light together make fewer clicks than each alone would in sum."""
    once = Detector(0.5, 0.01).with_stray_light(0.3)
    twice = once.with_stray_light(0.3)
    silent = (1 - 0.01) * np.exp(-0.5 * 0.3)
    assert np.exp(twice.log_silence) == pytest.approx(silent)
    gain = BB84(detector=twice).evaluate(0.0).gain
    assert gain == pytest.approx(1 - silent**2)


@pytest.mark.parametrize(("km", "variance"), [(1.0, 0.0199), (7.0, 0.705)])
def test_rytov_variance(km, variance):
    assert rytov_variance(km, 1e-15) == pytest.approx(variance, rel=5e-3)


@pytest.mark.parametrize("variance", [0.05, 0.5, 0.9])
def test_log_normal_fading(variance):
    factors, weights = log_normal_fading(variance)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ factors == pytest.approx(1.0)
    assert weights @ factors**2 == pytest.approx(np.exp(variance))


@pytest.mark.parametrize("variance", [0.2, 1.0, 4.0])
def test_gamma_gamma_fading(variance):
    factors, weights = gamma_gamma_fading(variance)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ factors == pytest.approx(1.0)
    # The scintillation index, from the source's own closed form.
    large = 0.49 * variance / (1 + 1.11 * variance**1.2) ** (7 / 6)
    small = 0.51 * variance / (1 + 0.69 * variance**1.2) ** (5 / 6)
    assert weights @ factors**2 - 1 == pytest.approx(np.expm1(large + small))


def test_fading_average_is_the_mean_over_random_air():
    protocol, variance, rng = BB84(), 0.5, np.random.default_rng(3)
    air = np.exp(rng.normal(-variance / 2, np.sqrt(variance), 200_000))
    sampled = protocol.evaluate(1e-3 * air)
    mean = fading_average(protocol, 1e-3, *log_normal_fading(variance))
    for name in ("gain", "key_per_pulse"):
        values = getattr(sampled, name)
        spread = values.std() / np.sqrt(values.size)
        assert abs(values.mean() - getattr(mean, name)) < 4.5 * spread
    errors = (sampled.gain * sampled.qber).mean() / sampled.gain.mean()
    assert mean.qber == pytest.approx(errors, rel=2e-3)
    # Near the end of the reach, good moments make key that the mean transmittance would not.
    assert protocol.evaluate(2.5e-4).key_per_pulse == 0
    assert fading_average(protocol, 2.5e-4, *log_normal_fading(variance)).key_per_pulse > 0


@pytest.mark.parametrize("links", [1, 5, 32, (4, 5), (32, 32)])
def test_fading_average_keeps_nodes_and_links_apart(links):
    """Also where there are as many links as nodes: each fades as it would alone."""
    eta = np.random.default_rng(4).uniform(1e-4, 0.3, links)
    variance = np.random.default_rng(5).uniform(0.1, 0.8, links)
    alike = fading_average(BB84(), eta, *log_normal_fading(0.5))
    own = fading_average(BB84(), eta, *log_normal_fading(variance))
    strong = fading_average(BB84(), eta, *gamma_gamma_fading(variance, points=6))
    for index in list(np.ndindex(eta.shape))[:40]:
        alone = (
            (alike, log_normal_fading(0.5)),
            (own, log_normal_fading(variance[index])),
            (strong, gamma_gamma_fading(variance[index], points=6)),
        )
        for together, air in alone:
            single = fading_average(BB84(), eta[index], *air)
            for name, value in vars(single).items():
                assert getattr(together, name).shape == eta.shape
                assert getattr(together, name)[index] == pytest.approx(value, rel=1e-12)


def test_fading_average_follows_the_fields_of_the_links():
    """Detectors of two links and transmittances of three make a table of six."""
    detector = Detector(efficiency=np.array([0.1, 0.9]))
    eta, air = np.array([[0.3], [0.1], [0.01]]), log_normal_fading(0.5, points=2)
    together = fading_average(BB84(detector=detector), eta, *air)
    assert together.key_per_pulse.shape == (3, 2)
    single = fading_average(BB84(detector=Detector(0.9)), 0.1, *air)
    assert together.key_per_pulse[1, 1] == pytest.approx(float(single.key_per_pulse))


def test_nothing_ever_clicks_at_a_qber_of_one_half():
    dark = BB84(detector=Detector(dark_count_probability=0.0))
    faded = fading_average(dark, [0.0, 0.1], *log_normal_fading(0.5))
    np.testing.assert_array_equal(faded.gain > 0, [False, True])
    for budget in (dark.evaluate([0.0, 0.1]), faded):
        assert budget.qber[0] == budget.single_photon_qber[0] == 0.5
        assert budget.qber[1] == pytest.approx(0.015, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"factors": np.array([-0.5, 2.5])}, "factors is -0.5, but must be at least 0"),
        ({"factors": np.array([np.nan, 1.0])}, "factors is nan"),
        ({"factors": np.ones((2, 4))}, r"factors of one node has the shape \(4,\).*transmittance"),
        ({"factors": np.ones(3)}, r"weights has the shape \(2,\).*factors, whose shape is \(3,\)"),
        ({"weights": np.ones((2, 3)) / 2.0}, r"weights has the shape \(2, 3\)"),
        ({"weights": np.array([0.5, 0.6])}, "weights must sum to 1"),
        ({"weights": np.array([1.5, -0.5])}, r"weights is 1.5, but must be in \[0, 1\]"),
        ({"transmittance": 1.5}, "transmittance is 1.5"),
        ({"protocol": "reference"}, "protocol is 'reference', but must be a Protocol"),
    ],
)
def test_bad_fading_is_named(arguments, words):
    good = {
        "protocol": BB84(),
        "transmittance": np.full(3, 0.1),
        "factors": np.array([0.5, 1.5]),
        "weights": np.array([0.5, 0.5]),
    }
    with pytest.raises(InvalidInput, match=words):
        fading_average(**good | arguments)


def test_loss_of_air_stays_finite():
    """Haze of 10,000 km leaves no photon that a floating-point number could count."""
    assert FreeSpace().transmittance(1e4) == 0.0
    assert FreeSpace().loss_db(1e4) == 3000.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Fiber(attenuation_db_per_km=-0.2), "attenuation_db_per_km is -0.2"),
        (lambda: Fiber(connectors=1.5), "connectors is 1.5, but must be"),
        (lambda: Fiber().transmittance([1.0, -1.0]), "length_km is -1, but must be"),
        (lambda: FreeSpace(visibility_km=0.0), "visibility_km is 0, but must be"),
        (lambda: rytov_variance(1.0, -1.0), r"cn2 is -1, but must be in \[0, 1e-06\]"),
        (lambda: log_normal_fading(-0.1), r"variance is -0.1, but must be in \[0, 10\]"),
        (lambda: gamma_gamma_fading(0.0), r"variance is 0, but must be in \[1e-06, 1e\+06\]"),
        (lambda: raman_power_w(1.0, -1.0, 0.2), "launch_power_w is -1, but must be"),
        (lambda: plob_bound(1.5), r"transmittance is 1.5, but must be in \[0, 1\]"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(InvalidInput, match=words):
        call()
