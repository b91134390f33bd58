"""What the sites of a network ask of each other, where a user says so: on average, or recorded."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qkd_gym.errors import (
    InvalidInput,
    require_between,
    require_choice,
    require_integer,
    require_known_keys,
    shown,
)
from qkd_gym.fields import choice
from qkd_gym.reading import read_bytes, read_json
from qkd_gym.topology.checks import array_of

UNITS = ("relative", "bps")
MOST_REQUESTS = 200_000
_LEAST_BPS, _MOST_BPS = 1e-6, 1e12
_LATEST_S = 1e9
_MOST_BITS = 10**12  # so that the bits of all requests add up to a number of 64 bits


class Request(NamedTuple):
    """A recorded request for key."""

    time_s: float
    """Time since the start of the recording, which is that of an episode."""
    source: int
    """Site by its number. Key is the same in both directions."""
    target: int
    """The other site."""
    bits: int
    """Requested key, at most 1e12."""


@dataclass(frozen=True)
class Demand:
    """What the sites of one network ask of each other.

    Wherever one is taken, a mapping of its fields is too. ``matrix`` may then be an array, and
    ``requests`` a list of rows (time_s, source, target, bits) in any order, whose sites are
    numbers or names.
    """

    matrix: tuple[tuple[float, ...], ...] = ()
    """Mean demand between each two sites, a symmetric n x n matrix with zeros on its diagonal, in
    place of gravity demand; empty for gravity. Numbers are 0 or in [1e-6, 1e12]."""
    unit: str = choice("relative", UNITS)
    """``"relative"``: the matrix says how demand is shared out, and `load` how much there is;
    ``"bps"``: it is in bit/s, each pair of sites counted once, and `load` must be 1."""
    requests: tuple[Request, ...] = ()
    """Recorded requests, by time, in place of generated ones; empty for generated ones. The matrix
    is then what the operator expects, and what the static plan is made for."""

    @property
    def says_how_much(self) -> bool:
        """Whether it says how much is asked, and not only how that is shared out."""
        return bool(self.requests) or (bool(self.matrix) and self.unit == "bps")


_FIELDS = tuple(field.name for field in dataclasses.fields(Demand))


def read_demand(value: Any, site_names: Sequence[str]) -> Demand:
    """Demand from what a user or a file gives.

    Args:
        value: A `Demand`, or a mapping of its fields.
        site_names: Names of the network's sites, n of them.

    Raises:
        InvalidInput: If it is anything else, says nothing, does not fit the network, or a number
            is out of range.
    """
    given = vars(value) if isinstance(value, Demand) else value
    if not isinstance(given, Mapping):
        raise InvalidInput(f"demand is {shown(value)}, but must be a mapping.")
    require_known_keys("demand", given, _FIELDS)
    demand = Demand(
        _matrix(given.get("matrix", ()), len(site_names)),
        given.get("unit", Demand.unit),
        _requests(given.get("requests", ()), site_names),
    )
    require_choice("demand.unit", demand.unit, UNITS)
    if not demand.matrix and not demand.requests:
        raise InvalidInput("demand is empty, but must have a matrix or requests.")
    return demand


def _matrix(value: Any, n: int) -> tuple[tuple[float, ...], ...]:
    if isinstance(value, (list, tuple)) and not value:
        return ()
    field = "demand.matrix"
    array = array_of(field, value, np.float64, n, n)
    require_between(field, array, 0.0, _MOST_BPS)
    require_between(f"{field} where it is not 0", array[array > 0.0], _LEAST_BPS)
    for first, second in np.argwhere(array != array.T)[:1].tolist():
        raise InvalidInput(
            f"{field} is {array[first, second]:g} from site {first} to {second} and "
            f"{array[second, first]:g} back, but must be symmetric, since both use the same key."
        )
    for site in np.flatnonzero(np.diagonal(array))[:1].tolist():
        raise InvalidInput(f"{field} is {array[site, site]:g} from site {site} to itself, but 0.")
    if not array.any():
        raise InvalidInput(f"{field} is zero, but must be positive for some pair of sites.")
    return tuple(map(tuple, array.tolist()))


def _requests(rows: Any, site_names: Sequence[str]) -> tuple[Request, ...]:
    field, words = "demand.requests", ", ".join(Request._fields)
    if not isinstance(rows, (list, tuple, np.ndarray)) or len(rows) > MOST_REQUESTS:
        raise InvalidInput(
            f"{field} is {shown(rows)}, but must be a list of at most {MOST_REQUESTS} rows {words}."
        )
    rows = rows.tolist() if isinstance(rows, np.ndarray) else rows
    for number, row in enumerate(rows):
        if not isinstance(row, (list, tuple)) or len(row) != len(Request._fields):
            raise InvalidInput(f"{field}[{number}] is {shown(row)}, but must be {words}.")
    if not rows:
        return ()
    times, sources, targets, sizes = map(list, zip(*rows, strict=True))
    time_s = array_of(f"{field}: time_s", times, np.float64, None)
    require_between(f"{field}: time_s", time_s, 0.0, _LATEST_S, unit="s")
    bits = array_of(f"{field}: bits", sizes, np.int64, None)
    require_between(f"{field}: bits", bits, 1, _MOST_BITS)
    sites = _Sites(site_names)
    ends = [
        [sites.number(f"{field}[{i}].{end}", site) for i, site in enumerate(column)]
        for end, column in (("source", sources), ("target", targets))
    ]
    columns = (time_s.tolist(), *ends, bits.tolist())
    found = [Request(*row) for row in zip(*columns, strict=True)]
    for number, request in enumerate(found):
        if request.source == request.target:
            raise InvalidInput(
                f"{field}[{number}] is from site {request.source} to itself, but must be from one "
                "site to another."
            )
    return tuple(sorted(found, key=lambda request: request.time_s))


class _Sites:
    """Sites by their numbers and names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._numbers = {name: number for number, name in enumerate(names)}

    def number(self, field: str, site: Any) -> int:
        """The number of a site; text that is no name may be a number too, as CSV files have it."""
        if isinstance(site, str) and site not in self._numbers and site.isdecimal():
            site = int(site[:9])
        if not isinstance(site, str):
            require_integer(field, site, 0, len(self._names) - 1)
            return int(site)
        require_choice(field, site, self._numbers)
        if len(self._numbers) < len(self._names) and self._names.count(site) > 1:
            raise InvalidInput(
                f"{field} is {shown(site)}, but two sites have that name: give its number."
            )
        return self._numbers[site]


def read_requests(path: Path) -> list[tuple[float, int | str, int | str, int]]:
    """Recorded requests from a file, for the field ``requests`` of `Demand`.

    Args:
        path: A CSV file in UTF-8 whose first line names the columns ``time_s``, ``source``,
            ``target`` and ``bits``, or a JSON file ``*.json``, a list of such rows.

    Returns:
        Rows (time_s, source, target, bits) in the order of the file.

    Raises:
        InvalidInput: If the file cannot be read, or a value is of another kind.
    """
    path = Path(path)
    if path.suffix == ".json":
        rows = list[tuple[float, int | str, int | str, int]]
        return read_json(path, rows, "requests")
    name = f"requests {shown(str(path))}"
    try:
        text = read_bytes(path, "requests").decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text), restkey="more", restval="")
        columns, lines = table.fieldnames or [], list(table)
    except (UnicodeError, csv.Error) as error:
        raise InvalidInput(f"{name} cannot be read: {shown(str(error))}.") from None
    if sorted(columns) != sorted(Request._fields):
        raise InvalidInput(
            f"{name} has the columns {shown(list(columns))}, but must have "
            f"{', '.join(Request._fields)}."
        )
    kinds = {"time_s": float, "source": str, "target": str, "bits": int}
    found = []
    for number, line in enumerate(lines, start=2):
        if "more" in line:
            raise InvalidInput(f"{name}: line {number} has more cells than there are columns.")
        row: list[Any] = []
        for column, kind in kinds.items():
            try:
                row.append(kind(line[column]))
            except (TypeError, ValueError):
                raise InvalidInput(
                    f"{name}: line {number}: {column} is {shown(line[column])}, but must be a "
                    f"{'whole ' if kind is int else ''}number."
                ) from None
        found.append(tuple(row))
    return found  # type: ignore[return-value]
