"""Service classes: kinds of requests that differ in size, worth and patience."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.fields import check_fields, number
from qkd_gym.network.named_records import read_named

MOST_CLASSES = 16
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ROUNDING = 1e-6  # by which shares may miss their sum


@dataclass(frozen=True)
class ServiceClass:
    """A kind of requests, for instance the keys of encryptors that change them regularly.

    Raises:
        InvalidInput: On the first value outside its range.
    """

    name: str
    """Name in reports: letters, digits, ``-`` and ``_``."""
    share: float = number(1.0, 0.0, 1.0, low_open=True)
    """Share of the requests; those of all classes add up to 1."""
    size: float = number(1.0, 1e-3, 1e3)
    """Mean size beside those of the other classes; the mean over all requests stays what the
    load makes it."""
    value: float = number(1.0, 0.0, 1e3)
    """Worth of a delivered bit beside those of the other classes; the reward counts it in units
    of the mean offered bit."""
    patience_s: float = number(0.0, 0.0, 1e6, unit="s")
    """Time for which a request that is not served may wait for key, in whole decision intervals;
    0 blocks it at once."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidInput(
                f"name is {shown(self.name)}, but must be 1 to 32 letters, digits, - or _."
            )
        check_fields(self)


SERVICE = np.dtype(
    [
        ("up_to", "f8"),  # share of the requests that are of this class or one before
        ("size", "f8"),  # factor on the size of a request
        ("value", "f8"),  # worth of a bit over that of the mean offered bit
        ("patience", "i8"),  # intervals for which a request may wait
    ]
)


def read_classes(classes: Any) -> tuple[ServiceClass, ...]:
    """Service classes from what a user or a file gives.

    Args:
        classes: A list of classes or of mappings of their fields; an empty one for none.

    Raises:
        InvalidInput: If it is anything else, if two have one name, if shares do not add up to 1,
            or if all are worth nothing.
    """
    read = read_named("service_classes", classes, ServiceClass, MOST_CLASSES, "classes")
    total = sum(each.share for each in read)
    if read and abs(total - 1.0) > _ROUNDING:
        raise InvalidInput(
            f"service_classes have shares of {total:g} together, but must have shares that add up "
            "to 1."
        )
    if read and not any(each.value for each in read):
        raise InvalidInput(
            "service_classes have no value above 0, but must have one for some class."
        )
    return read


def service_records(classes: tuple[ServiceClass, ...], interval_s: float) -> NDArray[np.void]:
    """The classes as the kernel reads them, (C,) SERVICE.

    Args:
        classes: From `read_classes`.
        interval_s: Length of a decision interval.
    """
    share, size, value, patience_s = (
        np.array([getattr(each, name) for each in classes], np.float64)
        for name in ("share", "size", "value", "patience_s")
    )
    bits = share * size
    records = np.zeros(len(classes), SERVICE)
    records["up_to"] = np.cumsum(share)
    # Sizes have mean one over requests, values over offered bits.
    records["size"] = size / bits.sum() if classes else size
    records["value"] = value * bits.sum() / (bits * value).sum() if classes else value
    records["patience"] = np.floor(patience_s / interval_s + 1e-9)
    return records
