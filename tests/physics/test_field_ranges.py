"""Fields of links take the values that have a meaning, and no others."""

import dataclasses

import numpy as np
import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import (
    B92,
    BB84,
    BBM92,
    CVQKD,
    E91,
    MDI,
    Detector,
    Fiber,
    FreeSpace,
    available_presets,
    preset,
)

TINY, SMALL = 1e-9, 0.01
PROTOCOLS = (B92, BB84, BBM92, CVQKD, E91, MDI)
CLICKS = (B92, BB84, BBM92, E91, MDI)
# A small and a large value that are allowed, and the nearest ones without a meaning; None where
# there is no such end.
CLOSED, LOSS = (0.0, 1.0, -TINY, 1.0 + TINY), (0.0, None, -TINY, None)
POSITIVE_SHARE, OPEN = (SMALL, 1.0, 0.0, 1.0 + TINY), (SMALL, 1.0 - SMALL, 0.0, 1.0)
POSITIVE = (SMALL, None, 0.0, None)
RANGES = [
    (Detector, "efficiency", POSITIVE_SHARE),
    (Detector, "dark_count_probability", (0.0, 1.0 - TINY, -TINY, 1.0)),
    (Detector, "afterpulse_probability", CLOSED),
    (Detector, "dead_time_s", LOSS),
    (Detector, "background_photons", LOSS),
    *((kind, "misalignment", (0.0, 0.5, -TINY, 0.5 + TINY)) for kind in PROTOCOLS),
    *((kind, "error_correction_efficiency", (1.0, None, 1.0 - TINY, None)) for kind in CLICKS),
    *((kind, "sifting", POSITIVE_SHARE) for kind in (BB84, BBM92, E91, MDI)),
    *((kind, "repetition_rate_hz", LOSS) for kind in PROTOCOLS),
    *((kind, "source_position", CLOSED) for kind in (BBM92, E91)),
    *((kind, "brightness", POSITIVE) for kind in (BBM92, E91)),
    (MDI, "relay_position", CLOSED),
    (B92, "overlap", OPEN),
    *((kind, "mean_photon_number", POSITIVE) for kind in (BB84, MDI)),
    (BB84, "decoy_photon_number", POSITIVE),
    (BB84, "vacuum_photon_number", LOSS),
    *((BB84, name, OPEN) for name in ("secrecy", "correctness")),
    *((CVQKD, name, OPEN) for name in ("estimation_share", "failure_probability")),
    *((CVQKD, name, POSITIVE_SHARE) for name in ("efficiency", "reconciliation_efficiency")),
    *((CVQKD, name, LOSS) for name in ("electronic_noise", "excess_noise")),
    (CVQKD, "modulation_variance", POSITIVE),
    (CVQKD, "tracked_misalignment", (0.0, 0.5, -TINY, 0.5 + TINY)),
    *((Fiber, f.name, LOSS) for f in dataclasses.fields(Fiber) if f.name != "connectors"),
    (FreeSpace, "pointing_jitter_urad", LOSS),
    (FreeSpace, "fixed_loss_db", LOSS),
    *((FreeSpace, f"{name}_m", POSITIVE) for name in ("beam_waist", "receiver_radius")),
    (FreeSpace, "visibility_km", POSITIVE),
    (FreeSpace, "wavelength_nm", (400.0, 2000.0, 0.0, None)),
]


# Words, truth values, whole numbers and what has tests of its own.
NOT_REAL = {"decoy", "detection", "analysis", "trusted_detector", "connectors", "block_size"}


@pytest.mark.parametrize(
    ("kind", "field", "ends"), RANGES, ids=[f"{kind.__name__}-{field}" for kind, field, _ in RANGES]
)
def test_range_of_a_field(kind, field, ends):
    smallest, largest, *refused = ends
    for value in (smallest, largest):
        if value is not None:
            assert getattr(kind(**{field: value}), field) == value
    for value in (*(x for x in refused if x is not None), float("nan")):
        with pytest.raises(InvalidInput, match=field):
            kind(**{field: value})


def test_every_number_of_a_link_has_a_tested_range():
    tested = {(kind, field) for kind, field, _ in RANGES}
    for kind in (Detector, Fiber, FreeSpace, *PROTOCOLS):
        declared = {f.name for f in dataclasses.fields(kind) if "check" in f.metadata}
        assert declared - NOT_REAL <= {name for owner, name in tested if owner is kind}


@pytest.mark.parametrize("name", available_presets())
def test_a_preset_cannot_be_changed_by_its_users(name):
    protocol = preset(name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.repetition_rate_hz = 1.0
    if hasattr(protocol, "detector"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            protocol.detector.efficiency = 1.0
    budget = protocol.evaluate(0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        budget.key_rate_bps = np.inf
