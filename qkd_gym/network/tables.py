"""Key rate and QBER of a protocol, tabulated over what disturbs a link.

The kernel knows no protocol: it interpolates these tables in loss and misalignment.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.jit import compiled, inlined
from qkd_gym.physics import plob_bound, preset
from qkd_gym.physics.attacks import jam
from qkd_gym.physics.channel import transmittance_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

LOSS_STEP_DB = 0.25
# From here on a link is dark: a clock of 1 THz has a capacity of 1 bit in two years.
DARK_LOSS_DB = 200.0
MISALIGNMENT_STEP = 0.0025
_PER_DB, _PER_UNIT = np.float32(1.0 / LOSS_STEP_DB), np.float32(1.0 / MISALIGNMENT_STEP)
_F0, _F1 = np.float32(0.0), np.float32(1.0)


# What a table holds side by side, since all are read together.
T_KEY_RATE, T_SIFTED_RATE, T_QBER = range(3)


@inlined
def interpolate(
    table: F32, qber_threshold: float, loss_db: float, misalignment: float
) -> tuple[np.float32, np.float32, np.float32]:
    """Bilinear interpolation in the table of one protocol, (losses, misalignments, 3).

    Returns:
        Secret key rate (bit/s, zero from the QBER threshold on), sifted rate (bit/s) and QBER.
    """
    rows, columns, _ = table.shape
    x = min(max(np.float32(loss_db) * _PER_DB, _F0), np.float32(rows - 1.001))
    y = min(max(np.float32(misalignment) * _PER_UNIT, _F0), np.float32(columns - 1.001))
    i, j = np.uint32(x), np.uint32(y)  # unsigned indices need no check for being negative
    fx, fy = x - np.float32(i), y - np.float32(j)
    a, b = (_F1 - fx) * (_F1 - fy), (_F1 - fx) * fy
    c, d = fx * (_F1 - fy), fx * fy
    near, far = table[i], table[np.uint32(i + 1)]
    k = np.uint32(j + 1)
    q, r = T_QBER, T_KEY_RATE
    error = a * near[j, q] + b * near[k, q] + c * far[j, q] + d * far[k, q]
    sifted = (_F1 - fx) * near[j, T_SIFTED_RATE] + fx * far[j, T_SIFTED_RATE]
    rate = a * near[j, r] + b * near[k, r] + c * far[j, r] + d * far[k, r]
    return rate if error < qber_threshold else _F0, sifted, error


@dataclass(frozen=True)
class RateTable:
    """A protocol over a grid of channel loss and misalignment.

    Attributes:
        grid: Secret key rate (bit/s), sifted rate (bit/s) and QBER, (losses, misalignments, 3).
        qber_threshold: QBER from which no key is made.
        sifted_per_block: Sifted bits of a full block, whose key comes at once; infinite where key
            is made continuously.
    """

    grid: F32
    qber_threshold: float
    sifted_per_block: float = math.inf

    def look_up(self, loss_db: ArrayLike, misalignment: ArrayLike) -> tuple[F64, F64, F64]:
        """Key rate (bit/s), sifted rate (bit/s) and QBER of links with these losses.

        Args:
            loss_db: Channel loss of each link, shape (E,).
            misalignment: Misalignment error probability, one number or shape (E,).

        Returns:
            Three arrays of shape (E,).
        """
        loss_db = np.asarray(loss_db, np.float64)
        error = np.array(np.broadcast_to(misalignment, loss_db.shape), np.float64)
        found = np.empty((3, len(loss_db)))
        _look_up(self.grid, self.qber_threshold, loss_db, error, found)
        return found[0], found[1], found[2]


@compiled
def _look_up(grid: F32, threshold: float, loss_db: F64, error: F64, found: F64) -> None:
    for e in range(len(loss_db)):
        found[:, e] = interpolate(grid, threshold, loss_db[e], error[e])


@lru_cache(maxsize=16)
def rate_table(
    preset_name: str, detector_efficiency: float | None = None, stray_photons: float = 0.0
) -> RateTable:
    """The table of a named link preset.

    Args:
        preset_name: Name of the preset.
        detector_efficiency: Efficiency of the detectors instead of the preset's.
        stray_photons: Photons per gate that somebody shines into the receiver. Homodyne detection
            does not see them, since its local oscillator admits the signal's mode alone.

    Losses run from 0 dB to ``DARK_LOSS_DB``, where the table ends in what the protocol yields
    without any light. Interpolated key rates never exceed the capacity of the channel.

    Raises:
        InvalidInput: If there is no such preset, or it has no detectors.
    """
    protocol: Any = preset(preset_name)
    if detector_efficiency is not None:
        if not hasattr(protocol, "detector"):
            raise InvalidInput(
                f"detector_efficiency is {shown(detector_efficiency)}, but preset "
                f"{shown(preset_name)} has no single-photon detectors."
            )
        detector = dataclasses.replace(protocol.detector, efficiency=detector_efficiency)
        protocol = dataclasses.replace(protocol, detector=detector)
    if stray_photons and hasattr(protocol, "detector"):
        protocol = dataclasses.replace(protocol, detector=jam(protocol.detector, stray_photons))
    # The last two rows are dark, so that whatever lies beyond is interpolated between equals.
    loss_db = LOSS_STEP_DB * np.arange(DARK_LOSS_DB / LOSS_STEP_DB + 2)
    eta = np.where(loss_db < DARK_LOSS_DB, transmittance_of(loss_db), 0.0)
    misalignment = np.arange(0.0, 0.5 + MISALIGNMENT_STEP / 2, MISALIGNMENT_STEP)
    budget = protocol.evaluate(eta[:, None], misalignment=misalignment[None, :])
    most = _capacity_below_chords() * protocol.pulse_rate_hz
    sifted = budget.gain * protocol.sifted_per_detection * protocol.pulse_rate_hz
    grid = np.empty((len(loss_db), len(misalignment), 3), np.float32)
    grid[..., T_KEY_RATE] = np.minimum(budget.key_rate_bps, most[:, None])
    grid[..., T_SIFTED_RATE], grid[..., T_QBER] = sifted, budget.qber
    # A user's own protocol need not say.
    per_block = float(getattr(protocol, "sifted_per_block", math.inf))
    return RateTable(grid, float(protocol.qber_threshold), per_block)


def _capacity_below_chords() -> F64:
    """Key per pulse at each loss of a table that keeps interpolated values below the capacity.

    The capacity is convex in the loss, so that straight lines between its values lie above it and
    its tangents below. Between two losses the tangent in their middle is the limit, and at a loss
    the lower one of both sides. Shape (losses,); without light it is 0.
    """
    middle = LOSS_STEP_DB * (np.arange(DARK_LOSS_DB / LOSS_STEP_DB) + 0.5)
    eta = transmittance_of(middle)
    # d/dloss of -log2(1 - eta) with eta = 10^(-loss / 10).
    fall = np.log2(10.0) / 10.0 * eta / (1.0 - eta) * (LOSS_STEP_DB / 2.0)
    left, right = plob_bound(eta) + fall, plob_bound(eta) - fall
    both = np.minimum(np.append(left, np.inf), np.append(np.inf, right))
    return np.append(both[:-1], [0.0, 0.0])
