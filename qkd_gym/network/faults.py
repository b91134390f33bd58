"""Faults and attacks as parts of a scenario: what strikes, where, how often and for how long."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.features import HOUR_S
from qkd_gym.fields import check_fields, choice, number
from qkd_gym.network.named_records import read_named

MOST_FAULTS = 16
EFFECTS = ("outage", "eavesdropping", "jamming", "ageing", "blinding", "compromise")
OUTAGE, EAVESDROPPING, JAMMING, AGEING, BLINDING, COMPROMISE = range(len(EFFECTS))
PLACES = ("link", "site", "district", "duct")
TARGETS = ("uniform", "degree", "betweenness", "stored-key")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LONGEST_S = 1e9
_MOST_AT_ONCE = 1000.0  # events, in the mean
# What belongs to one effect alone.
_OF_EFFECT = {
    "intercepted_fraction": "eavesdropping",
    "stray_photons": "jamming",
    "loss_db_per_hour": "ageing",
}


@dataclass(frozen=True)
class Fault:
    """A kind of fault or attack; each event of it strikes one place and ends by itself.

    Events come in Poisson numbers, and as many are going on at the start of an episode as later.

    Raises:
        InvalidInput: On the first value outside its range, without any rate or duration, or on a
            field of another effect.
    """

    name: str
    """Name in reports: letters, digits, ``-`` and ``_``."""
    effect: str = choice("outage", EFFECTS)
    """``"outage"``: no key; ``"eavesdropping"``: intercept-resend; ``"jamming"``: stray light in
    the receivers; ``"ageing"``: a loss that grows until it is repaired; ``"blinding"``: key as
    before, which the eavesdropper knows; ``"compromise"``: a site's relaying of key, which the
    attacker reads: of a site alone."""
    strikes: str = choice("link", PLACES)
    """What one event strikes: a ``"link"``; all links of a ``"site"``; all links with an end in a
    ``"district"``; or those of a ``"duct"``, which links between the same two districts share,
    while a link inside a district has a duct of its own."""
    target: str = choice("uniform", TARGETS)
    """How places are drawn: ``"uniform"``, or in proportion to their links (``"degree"``; of a
    link: those at its ends), to the share of shortest paths over their links (``"betweenness"``),
    or to the key stored there at that moment (``"stored-key"``), which actions change."""
    per_hour: float = number(0.0, 0.0, 1e4)
    """Mean number of events per hour in the whole network."""
    per_place_hour: float = number(0.0, 0.0, 1e4)
    """Mean number of events per hour and place of the network; adds to ``per_hour``."""
    duration_min_s: float = number(0.0, 0.0, _LONGEST_S, unit="s")
    """Shortest duration."""
    duration_mean_s: float = number(0.0, 0.0, _LONGEST_S, unit="s")
    """Mean of the exponential part of a duration, added to the shortest one; 0 for none."""
    detection_s: float | None = number(None, 0.0, _LONGEST_S, unit="s")
    """Time from onset until the operator has an alarm, which lasts to the end; None for no alarm
    at all."""
    announced_s: float = number(0.0, 0.0, _LONGEST_S, unit="s")
    """Time by which the operator knows onset and end of an event before it begins."""
    intercepted_fraction: float = number(0.45, 0.0, 1.0)
    """Smallest fraction of the pulses that eavesdropping intercepts; uniform from it to 1."""
    stray_photons: float = number(1e-3, 0.0, 1e6)
    """Photons per gate that jamming shines into the receivers, if they have single-photon
    detectors: homodyne detection does not see it."""
    loss_db_per_hour: float = number(1.0, 0.0, 1000.0, unit="dB")
    """Growth of the loss by ageing, as of detectors whose efficiency falls."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidInput(
                f"name is {shown(self.name)}, but must be 1 to 32 letters, digits, - or _."
            )
        check_fields(self)
        for part in (("per_hour", "per_place_hour"), ("duration_min_s", "duration_mean_s")):
            if not any(getattr(self, name) for name in part):
                raise InvalidInput(f"{part[0]} and {part[1]} are 0, but one must be above 0.")
        if self.effect == "compromise" and self.strikes != "site":
            raise InvalidInput(
                f"strikes is {self.strikes!r}, but must be 'site' for the effect 'compromise'."
            )
        for name, effect in _OF_EFFECT.items():
            value = getattr(self, name)
            if self.effect != effect and value != getattr(Fault, name):
                raise InvalidInput(
                    f"{name} is {value:g}, but must not be set for the effect {self.effect!r}: it "
                    f"belongs to {effect!r}."
                )

    @property
    def mean_s(self) -> float:
        """Mean duration."""
        return self.duration_min_s + self.duration_mean_s


FAULT = np.dtype(
    [
        ("effect", "i8"),  # position in EFFECTS
        ("seeks_key", "i8"),  # 1 if places are drawn by the key stored there
        ("tables", "i8"),  # of the rate tables, by how many those under this jamming lie further on
        ("duration_min_s", "f8"),
        ("duration_mean_s", "f8"),
        ("detection_s", "f8"),  # infinite for no alarm
        ("announced_s", "f8"),
        ("intercepted_fraction", "f8"),
        ("loss_db_per_s", "f8"),
    ]
)

EVENT = np.dtype(
    [
        ("fault", "i8"),
        ("place", "i8"),  # link, site, district or duct
        ("onset_s", "f8"),  # since the start of the episode; may lie before it, or ahead
        ("until_s", "f8"),  # what is over makes way for another
        ("fraction", "f8"),  # of the pulses that this event intercepts
    ]
)


class StruckRows(NamedTuple):
    """Rows of `qkd_gym.network.state.State.struck`: what events do to each link now."""

    dark: int
    """1 while there is no key."""
    scrambled: int
    """Share of the bits that eavesdropping makes random."""
    tables: int
    """By how many rate tables further on that of the link lies."""
    excess_loss_db: int
    """Loss by ageing."""
    exposed: int
    """1 while an eavesdropper knows the key that the link makes."""
    alarm: int
    """1 while the operator has an alarm."""
    alarm_s: int
    """Time since the first alarm that lasts."""
    window: int
    """1 while an announced event lies ahead or lasts."""
    window_in_s: int
    """Time until the first of them begins."""
    window_left_s: int
    """Time until that one ends."""


STRUCK_ROW = StruckRows(*range(len(StruckRows._fields)))


def read_faults(faults: Any) -> tuple[Fault, ...]:
    """Faults from what a user or a file gives.

    Args:
        faults: A list of faults or of mappings of their fields; an empty one for none.

    Raises:
        InvalidInput: If it is anything else, or if two have one name.
    """
    return read_named("faults", faults, Fault, MOST_FAULTS, "faults")


def jamming(faults: tuple[Fault, ...]) -> list[Fault]:
    """The faults that need rate tables of their own, the brightest last."""
    found = [each for each in faults if each.effect == "jamming"]
    return sorted(found, key=lambda each: each.stray_photons)


def fault_records(faults: tuple[Fault, ...], n_tables: int) -> NDArray[np.void]:
    """The faults as the kernel reads them, (F,) FAULT.

    Args:
        faults: From `read_faults`.
        n_tables: Rate tables of links without jamming, after which come as many of each fault of
            `jamming`.
    """
    records = np.zeros(len(faults), FAULT)
    with_tables = jamming(faults)
    for record, fault in zip(records, faults, strict=True):
        for name in ("duration_min_s", "duration_mean_s", "announced_s", "intercepted_fraction"):
            record[name] = getattr(fault, name)
        record["effect"] = EFFECTS.index(fault.effect)
        record["seeks_key"] = fault.target == "stored-key"
        if fault.effect == "jamming":
            record["tables"] = n_tables * (1 + with_tables.index(fault))
        record["detection_s"] = math.inf if fault.detection_s is None else fault.detection_s
        record["loss_db_per_s"] = fault.loss_db_per_hour / HOUR_S
    return records


def event_capacity(faults: tuple[Fault, ...], interval_s: float, n_places: int) -> int:
    """Events that are kept at a time: ten standard deviations above the mean number of those that
    last or are announced.

    Args:
        faults: From `read_faults`.
        interval_s: Length of a decision interval.
        n_places: At least as many as any fault may strike.

    Raises:
        InvalidInput: If they are too many.
    """
    mean = 0.0
    for each in faults:
        per_hour = each.per_hour + each.per_place_hour * n_places
        own = per_hour / HOUR_S * (each.announced_s + each.mean_s + interval_s)
        if own > _MOST_AT_ONCE:
            raise InvalidInput(
                f"faults has {shown(each.name)}, of which {own:.3g} events would last or be "
                f"announced at a time, but at most {_MOST_AT_ONCE:g} are allowed."
            )
        mean += own
    return math.ceil(mean + 10.0 * math.sqrt(mean) + 10.0) if faults else 0
