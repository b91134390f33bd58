"""Key rate and QBER of a protocol, tabulated over what disturbs a link.

The kernel knows no protocol: it interpolates these tables in loss and misalignment.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.physics import preset

F64 = NDArray[np.float64]
_NO_COUNTS: Any = {"_nrt": False}  # of references, see `compiled`

LOSS_STEP_DB = 0.25
MAX_LOSS_DB = 70.0
MISALIGNMENT_STEP = 0.0025


@njit(cache=True, error_model="numpy", forceinline=True, **_NO_COUNTS)
def interpolate(
    key_rate_bps: F64,
    sifted_rate_bps: F64,
    qber: F64,
    qber_threshold: float,
    loss_db: float,
    misalignment: float,
) -> tuple[float, float, float]:
    """Bilinear interpolation in the tables of one protocol, each (losses, misalignments).

    Returns:
        Secret key rate (bit/s, zero from the QBER threshold on), sifted rate (bit/s) and QBER.
    """
    rows, columns = key_rate_bps.shape
    x = min(max(loss_db / LOSS_STEP_DB, 0.0), rows - 1.001)
    y = min(max(misalignment / MISALIGNMENT_STEP, 0.0), columns - 1.001)
    i, j = int(x), int(y)
    fx, fy = x - i, y - j
    a, b = (1.0 - fx) * (1.0 - fy), (1.0 - fx) * fy
    c, d = fx * (1.0 - fy), fx * fy
    error = a * qber[i, j] + b * qber[i, j + 1] + c * qber[i + 1, j] + d * qber[i + 1, j + 1]
    sifted = (1.0 - fx) * sifted_rate_bps[i, j] + fx * sifted_rate_bps[i + 1, j]
    rate = 0.0
    if error < qber_threshold:
        r = key_rate_bps
        rate = a * r[i, j] + b * r[i, j + 1] + c * r[i + 1, j] + d * r[i + 1, j + 1]
    return rate, sifted, error


@dataclass(frozen=True)
class RateTable:
    """A protocol over a grid of channel loss (rows) and misalignment (columns).

    Attributes:
        key_rate_bps: Secret key rate, bit/s.
        sifted_rate_bps: Sifted bits, bit/s.
        qber: Quantum bit error rate.
        qber_threshold: QBER from which no key is made.
    """

    key_rate_bps: F64
    sifted_rate_bps: F64
    qber: F64
    qber_threshold: float

    def look_up(self, loss_db: ArrayLike, misalignment: float) -> tuple[F64, F64]:
        """Key rate (bit/s) and QBER of links with these losses, both of ``loss_db``'s shape."""
        tables = (self.key_rate_bps, self.sifted_rate_bps, self.qber, self.qber_threshold)
        rows = [interpolate(*tables, loss, misalignment) for loss in np.asarray(loss_db)]
        return np.array([row[0] for row in rows]), np.array([row[2] for row in rows])


@lru_cache(maxsize=16)
def rate_table(preset_name: str, detector_efficiency: float | None = None) -> RateTable:
    """The table of a named link preset, with other detectors if an efficiency is given.

    Raises:
        InvalidInput: If there is no such preset, or it has no detectors.
    """
    protocol: Any = preset(preset_name)
    if detector_efficiency is not None:
        if not hasattr(protocol, "detector"):
            raise InvalidInput(
                f"detector_efficiency is {detector_efficiency:g}, but preset {preset_name!r} has "
                "no single-photon detectors."
            )
        detector = dataclasses.replace(protocol.detector, efficiency=detector_efficiency)
        protocol = dataclasses.replace(protocol, detector=detector)
    loss_db = np.arange(0.0, MAX_LOSS_DB + LOSS_STEP_DB / 2, LOSS_STEP_DB)
    misalignment = np.arange(0.0, 0.5 + MISALIGNMENT_STEP / 2, MISALIGNMENT_STEP)
    budget = protocol.evaluate(
        10.0 ** (-loss_db[:, None] / 10.0), misalignment=misalignment[None, :]
    )
    shape = (len(loss_db), len(misalignment))
    sifted = budget.gain * protocol.sifted_per_detection * protocol.pulse_rate_hz
    return RateTable(
        key_rate_bps=np.ascontiguousarray(np.broadcast_to(budget.key_rate_bps, shape)),
        sifted_rate_bps=np.ascontiguousarray(np.broadcast_to(sifted, shape)),
        qber=np.ascontiguousarray(np.broadcast_to(budget.qber, shape)),
        qber_threshold=float(protocol.qber_threshold),
    )
