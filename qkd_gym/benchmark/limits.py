"""How much an episode file may ask of whoever plays it again."""

from __future__ import annotations

from collections.abc import Mapping

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.features import HOUR_S
from qkd_gym.network.config import GENERATED, NetworkConfig, interval_s
from qkd_gym.network.requests import busiest_interval
from qkd_gym.topology import available, load

MOST_ACTIONS = 100_000
_MOST_SITES = 100
_LONGEST_TEXT = 200  # characters of a preset


def require_no_path(topology: object, where: str) -> None:
    """Raises unless a network is generated, of the catalogue, or a small one within the file.

    Nothing is opened or built.

    Args:
        topology: The field of that name of `NetworkConfig`, as a file has it.
        where: What names it, for the error.
    """
    if isinstance(topology, Mapping):
        nodes = topology.get("nodes")
        sites = len(nodes) if isinstance(nodes, list) else 0
        if sites > _MOST_SITES:
            raise InvalidInput(
                f"{where}: config.topology has {sites} sites, but must have at most {_MOST_SITES} "
                "in an episode file."
            )
    elif topology not in (*GENERATED, *available()):
        raise InvalidInput(
            f"{where}: config.topology is {shown(topology)}, but must be generated, of the "
            "catalogue, or the network itself, and never a file."
        )


def require_short_texts(value: object, where: str) -> None:
    """Raises if a text of a configuration is longer than any that means something."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str) and len(part) > _LONGEST_TEXT:
            raise InvalidInput(
                f"{where}: config holds the text {shown(part)} of {len(part)} characters, but must "
                f"hold none of more than {_LONGEST_TEXT}."
            )


def require_playable(config: NetworkConfig, where: str) -> None:
    """Raises if an episode would take more than half a minute or some 300 MB to play again.

    The shipped suites reach the limits on sites and modules, and stay far below most others.

    Args:
        config: Of the episode.
        where: What has the configuration, for the error.
    """
    n, presets = config.n_sites, set(config.hybrid_presets)
    if config.topology not in GENERATED:
        network = load(config.topology) if isinstance(config.topology, str) else config.topology
        n, presets = network.n_sites, set(network.link_presets)
    interval = interval_s(n)
    requests_per_s = config.requests_per_site_hour / HOUR_S * n
    # While a burst runs, it asks for as much as makes up for its pauses.
    bursts = config.burst_share * (1.0 + config.burst_off_s / config.burst_on_s)
    recorded = () if config.demand is None else config.demand.requests
    # All networks of the source study are made at once, those of the other kind on their first use.
    most_sites = 600 if config.topology == "source-study" else 4096
    asked = {
        "number of sites": (n, _MOST_SITES),
        "sites of all networks (n_sites * bank_size)": (n * config.bank_size, most_sites),
        "number of presets": (1 + len(presets - {"", config.preset}), 4),
        "number of modules (n_sites * modules_per_site)": (n * config.modules_per_site, 400),
        "candidate paths of all pairs": (n * (n - 1) // 2 * config.candidate_paths, 50_000),
        "number of decision intervals": (config.episode_s / interval, 20_000),
        "number of requests": (requests_per_s * config.episode_s, MOST_ACTIONS / 2),
        "number of recorded requests": (len(recorded), MOST_ACTIONS / 2),
        "requests of an interval": (2.0 * requests_per_s * interval * (1.0 + bursts), 5000),
        "recorded requests of an interval": (busiest_interval(config, n), 5000),
        "key_lifetime_s in decision intervals": (config.key_lifetime_s / interval, 1000),
    }
    for what, (value, most) in asked.items():
        if not value <= most:
            raise InvalidInput(
                f"{where}: {what} is {value:g}, but must be at most {most:g} in an episode file."
            )
