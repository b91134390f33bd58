"""``qkd-gym topology``: what a network is, and what will happen on it."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from qkd_gym.cli.arguments import Commands, add_command
from qkd_gym.files import require_writable_file, write_figure
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.inspection import Inspection, inspect
from qkd_gym.rendering.sites import draw_topology
from qkd_gym.topology import Topology, load

_LISTED = 10  # links or sites that are named
_FAR = 4.0  # mean distance of sites over gravity_distance_km from which demand stays near


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "topology", run, "say what a network is, and check, draw and save it"
    )
    parser.add_argument(
        "source",
        metavar="FILE",
        help="a file (.json, .gml, .graphml, .xml, .csv), a name of the catalogue, or topohub:NAME",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all lengths")
    parser.add_argument("--max-span-km", type=float, help="longest link between relays")
    parser.add_argument("--preset", default=NetworkConfig.preset, help="link preset of the check")
    parser.add_argument(
        "--check", action="store_true", help="draw it and say what will happen in a simulation"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="with --check, default: NAME.png"
    )
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="write a topology file")


def run(
    source: str,
    scale: float,
    max_span_km: float | None,
    preset: str,
    check: bool,
    picture: Path | None,
    save: Path | None,
) -> None:
    """Reads, describes, checks, draws and saves a network."""
    with _notes():
        network = load(source, scale, max_span_km)
    config = NetworkConfig(topology=network, bank_size=1, preset=preset)
    if check and picture is None:
        picture = Path(re.sub(r"[^\w.~-]+", "-", network.name) + ".png")
    for path, name in ((picture, "picture"), (save, "save")):
        if path is not None:
            require_writable_file(path, name)
    if save is not None:
        network.save(save)
    print("\n".join(_description(network)))
    if save is not None:
        print(f"saved: {save}")
    if check or picture:
        found = inspect(config)
        if check:
            print("\n".join(_findings(found, config, scale)))
        if picture:
            _draw(picture, found)


@contextmanager
def _notes() -> Iterator[None]:
    """Prints warnings as lines of the report."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        yield
    for note in notes:
        print(f"note: {note.message}")


def _draw(path: Path, found: Inspection) -> None:
    try:
        write_figure(path, draw_topology(found.topology, found.viable))
    except ModuleNotFoundError as error:  # whoever only reads needs no matplotlib
        print(error, file=sys.stderr)
    else:
        print(f"picture: {path}")


def _description(network: Topology) -> list[str]:
    relays = f", {network.relay.sum()} of them relays" if network.relay.any() else ""
    length_km = network.length_km
    return [
        f"name: {network.name}",
        f"source: {network.source or 'not named'}",
        f"sites: {network.n_sites}{relays}",
        f"links: {network.n_links} of {length_km.min():.3g} to {length_km.max():.4g} km, "
        f"{length_km.sum():,.4g} km in all",
    ]


def _findings(found: Inspection, config: NetworkConfig, scale: float) -> list[str]:
    """What will happen, and what to do about it."""
    viable, rate_bps = found.viable, found.key_rate_bps
    too_long = [_span(found, link) for link in np.flatnonzero(~viable).tolist()]
    cut_off = [found.topology.site_names[site] for site in np.flatnonzero(found.cut_off)]
    rates = f", {_bps(rate_bps[viable].min())} to {_bps(rate_bps.max())}" if viable.any() else ""
    lines = [
        f"viable links: {viable.sum()} of {len(viable)} at preset {config.preset!r}{rates}",
        f"spans too long: {len(too_long)}",
        *(f"  {line}" for line in _some(too_long)),
        f"sites cut off: {len(cut_off)}{': ' if cut_off else ''}{', '.join(_some(cut_off))}",
    ]
    if found.offered_bps is None:
        lines.append("load 1.0: none, since demand of sites that are cut off cannot be carried")
    else:
        lines.append(f"load 1.0: {_bps(found.offered_bps)} for all sites together")
    if not viable.all():
        lines += _remedies(found, scale)
    if found.pathless_share:
        most = min(64, found.topology.n_sites - 1)
        lines.append(
            f"to do: {100.0 * found.pathless_share:.3g} % of the demand has no path of at most "
            f"{config.max_hops} links; allow longer ones, as by gym.make(..., max_hops={most})"
        )
    if found.demand_km is not None and found.apart_km > _FAR * config.gravity_distance_km:
        lines.append(
            f"to do: two sites lie {found.apart_km:.3g} km apart in the mean, but demand goes "
            f"{found.demand_km:.3g} km, since it falls by a factor of e every "
            f"{config.gravity_distance_km:g} km; have it go further, as by "
            f"gym.make(..., gravity_distance_km={_rounded_down(found.apart_km):g})"
        )
    return lines


def _remedies(found: Inspection, scale: float) -> list[str]:
    """Options that make all links viable, as far as any do."""
    too_long = ~found.viable & np.isfinite(found.most_km)
    if not too_long.any():
        return []
    most_km = found.most_km[too_long]
    span_km = _rounded_down(0.5 * most_km.min())
    smaller = _rounded_down(scale * (most_km / found.topology.length_km[too_long]).min())
    return [
        f"to do: --max-span-km {span_km:g} puts relays on long links, which then make more key; or "
        f"--scale {smaller:g} makes a smaller network of the same form"
    ]


def _rounded_down(value: float) -> float:
    """To two digits, at most the value."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 1.0)
    return float(f"{np.floor(value / unit) * unit:.2g}")


def _span(found: Inspection, link: int) -> str:
    network = found.topology
    first, last = (network.site_names[end] for end in network.link_endpoints[link])
    limit = f"{found.most_loss_db[link]:.3g} dB"
    if np.isfinite(found.most_km[link]):
        limit = f"{found.most_km[link]:.3g} km, {limit}"
    return (
        f"{first} to {last}: {network.length_km[link]:.4g} km, {network.loss_db[link]:.3g} dB "
        f"(limit {limit})"
    )


def _some(lines: Sequence[str]) -> list[str]:
    """The first of a list, and how many more there are."""
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return [*lines[:_LISTED], *more]


def _bps(rate: float) -> str:
    return f"{rate:,.0f} bit/s" if rate >= 100.0 else f"{rate:.3g} bit/s"
