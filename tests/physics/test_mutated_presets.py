"""Preset strings that were cut, doubled, shuffled and sprinkled with signs."""

import random
import resource
import sys
import time

import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import Protocol, available_presets, preset

SEEDS = (
    *available_presets(),
    "reference(decoy=vacuum+weak, block_size=1e7)",
    "reference(block_size=inf, mean_photon_number=optimal)",
    "lim-ingaas(block_size=1e9, detector.efficiency=0.2, detector.dead_time_s=1e-6)",
    "cv-metro(trusted_detector=false, detection='heterodyne')",
    "spdc-e91(brightness=0.1, analysis=device-independent)",
)
PIECES = (
    *("(", ")", ",", "=", ".", "'", '"', " ", "\n", "\t", "\0", "-", "+", "_"),
    *("1e308", "-1", "nan", "inf", "1e-320", "9" * 400, "true", "None", "__class__"),
    *("detector", "detector.detector", "block_size", "intensity_probabilities=(1,2,3)"),
    *("é", "١٢", "\ud800", "x" * 2000, " " * 900, "((((", "a." * 400),
)
LONGEST_S, MOST_BYTES = 5.0, 500e6


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 4)):
        start, end = sorted(rng.choices(range(len(text) + 1), k=2))
        text = rng.choice(
            (
                text[:start] + rng.choice(PIECES) + text[start:],
                text[:start] + text[end:],
                text[:end] + text[start:end] + text[end:],
                text[:start] + text[start:end][::-1] + text[end:],
                text[:start] + rng.choice(SEEDS) + text[end:],
                text[:start] + rng.choice(PIECES) + text[end:],
            )
        )
    return text


def check(name: object) -> bool:
    """Whether a name is accepted; what it raises is one short sentence, and soon."""
    started, sentence = time.process_time(), ""
    try:
        assert isinstance(preset(name), Protocol)
    except InvalidInput as error:
        sentence = str(error)
    assert time.process_time() - started < LONGEST_S
    assert len(sentence) <= 300
    assert "\n" not in sentence
    return not sentence


def peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.slow
def test_mutated_presets_are_accepted_or_named():
    """20,000 strings of one seed, within 500 MB of what was in use before."""
    rng, before = random.Random(20_000), peak_bytes()
    accepted = sum(check(mutated(rng.choice(SEEDS), rng)) for _ in range(20_000))
    assert 500 < accepted < 19_000  # the mutations are neither idle nor all fatal
    assert peak_bytes() - before < MOST_BYTES


ODD = (
    *(None, 3, True, b"gys", ["gys"], {"gys": 1}, "", "(", ")", "gys(", "gys)", "gys()x"),
    *("gys(=)", "gys(misalignment=)", "gys(misalignment)", "gys(detector=1)"),
    *("gys(detector.efficiency.x=1)", "gys(" + "a." * 300 + "=1)", "gys(sifting=ten)"),
    *(" " * 10**6, "(" * 10**5, "gys(" + "sifting=1," * 10**5 + ")"),
)


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_odd_presets_are_named(name):
    assert not check(name)


def test_changes_of_a_preset_come_in_any_order():
    one = preset("reference(decoy=one, block_size=1e7, detector.efficiency=0.2)")
    assert one == preset(" reference ( detector.efficiency = 0.2,block_size=1e7 , decoy='one',) ")
    dim = preset("reference(decoy_photon_number=0.01, mean_photon_number=0.05, decoy=one)")
    assert dim.mean_photon_number == 0.05


def test_a_field_of_a_preset_is_set_once():
    with pytest.raises(InvalidInput, match=r"gys\.detector\.efficiency is set twice"):
        preset("gys(detector.efficiency=0.1, detector.efficiency=0.2)")
