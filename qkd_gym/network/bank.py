"""The networks that episodes draw from, as padded arrays that compiled code can index."""

from __future__ import annotations

import dataclasses
import zlib
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.features import DEGREE_SCALE, HOUR_S, LENGTH_SCALE_KM, LINK, NODE
from qkd_gym.network.compiled.elementary import log1p_singles
from qkd_gym.network.compiled.memory import padded, zeros
from qkd_gym.network.compiled.rng import ALIAS, fill_alias_table
from qkd_gym.network.config import (
    GENERATED,
    MOST_PRESETS,
    SPLITS,
    NetworkConfig,
    interval_s,
)
from qkd_gym.network.faults import fault_records, jamming
from qkd_gym.network.places import place_weights, places_of_links
from qkd_gym.network.preparation import preparation, tell
from qkd_gym.network.requests import recorded_requests
from qkd_gym.network.reward import account_terms
from qkd_gym.network.services import service_records
from qkd_gym.network.tables import rate_table
from qkd_gym.network.traffic import mean_demand, traffic_matrix
from qkd_gym.planning.concurrent_flow import max_concurrent_flow
from qkd_gym.planning.disjoint import disjoint_bundles
from qkd_gym.planning.matching import round_plan
from qkd_gym.planning.paths import candidate_paths
from qkd_gym.topology import (
    Topology,
    clustered,
    clustered_max_links,
    load,
    source_study,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Records = NDArray[np.void]

_PATHS_TO_JOIN = 4  # per bundle of disjoint paths

NETWORK = np.dtype(
    [
        ("n_links", "i8"),
        ("n_districts", "i8"),
        ("mean_request_bits", "f8"),
        ("mean_offered_bps", "f8"),
    ]
)

SITE_FACTS = np.dtype(
    [
        ("district", "i4"),
        ("phase_sin", "f4"),  # of the daily demand cycle
        ("phase_cos", "f4"),
    ]
)

LINK_FACTS = np.dtype(
    [
        ("loss_db", "f4"),  # channel loss that the operator knows
        ("length_km", "f4"),
        ("free_space", "i4"),
        ("nominal_rate_bps", "f4"),
        ("nominal_qber", "f4"),
        ("plan", "i4"),  # 1 if the static plan runs it
        ("table", "i4"),  # row of the rate tables
        ("qber_threshold", "f4"),  # of its protocol
    ]
)


class Bank(NamedTuple):
    """G networks of N sites, padded to E links; P pairs, K candidate paths of at most H hops."""

    n_sites: int
    networks: Records  # (G,) NETWORK
    sites: Records  # (G, N) SITE_FACTS
    links: Records  # (G, E) LINK_FACTS
    # Features that never change, in their columns; the others are zero. Rows are padded.
    node_features: F32  # (G, len(NODE), N)
    link_features: F32  # (G, len(LINK), E)
    link_endpoints: NDArray[np.uint16]  # (G, E, 2)
    path_links: NDArray[np.int16]  # (G, P, K, H), filled up with padded(E)
    path_hops: NDArray[np.int8]  # (G, P, K), 0 for no path
    # Alias tables of the traffic matrix: rows 0 to N-1 draw a site's peer, row N draws a site.
    traffic: Records  # (G, N + 1, N) ALIAS
    attack_cumulative: F64  # (G, E)
    rates: F32  # (protocols, losses, misalignments, 3), see `RateTable`; then those under jamming
    sifted_per_block: F64  # of each of them, see there; (0,) if none has blocks
    faults: Records  # (F,) FAULT, none in most scenarios
    event_rates: F64  # (G, F) events of each fault per second
    event_cumulative: F64  # (G, F, places) cumulative chances of the places that they strike
    event_places: NDArray[np.int32]  # (G, F, 2, E) places that each link is part of
    services: Records  # (C,) SERVICE, none if all requests are alike
    recorded: Records  # (R,) REQUEST, see `Recorded`
    first_recorded: NDArray[np.int64]  # (T + 2,) see there; (0,) if requests are generated
    account_terms: Records  # (W,) ACCOUNT_TERM


class NetworkBank:
    """Builds the networks of a configuration on first use and keeps them.

    Args:
        config: Which networks, and the demand and modules that their plans are made for.

    Attributes:
        arrays: The padded arrays; the rows of networks not used yet are zero.
        topologies: The networks built so far, by index.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.topologies: dict[int, Topology] = {}
        if config.topology == "clustered":
            self.size, n, links = config.bank_size, config.n_sites, 0
            links = clustered_max_links(n)
        else:
            # Every split of a real network is that network; only the episodes' seeds differ.
            self.size = config.bank_size if config.topology == "source-study" else 1
            members = [self.topology(index) for index in range(self.size)]
            n, links = members[0].n_sites, max(member.n_links for member in members)
        self.n_sites, self.max_links = n, links
        self.presets = _presets(config, self.topologies)
        self.arrays = _empty(self.size, n, links, config, self.presets)
        self._built = np.zeros(self.size, dtype=bool)

    def topology(self, index: int) -> Topology:
        """The network with this index."""
        if index not in self.topologies:
            network = self._make_topology(index)
            network.check_features()
            self.topologies[index] = network
        return self.topologies[index]

    def _make_topology(self, index: int) -> Topology:
        config = self.config
        if isinstance(config.topology, Topology):
            return config.topology
        if config.topology not in GENERATED:
            return load(config.topology)
        split = SPLITS.index(config.split)
        seed = np.random.SeedSequence([config.bank_seed, split, index])
        rng = np.random.default_rng(seed)
        generate = clustered if config.topology == "clustered" else source_study
        network = generate(config.n_sites, seed=rng)
        if config.hybrid_presets:
            choices = (config.preset, *config.hybrid_presets)
            drawn = tuple(rng.choice(choices, network.n_links).tolist())
            network = dataclasses.replace(network, link_presets=drawn)
        return network

    def ensure(self, index: int) -> None:
        """Fills the rows of this network unless they are there."""
        if not self._built[index]:
            with preparation():
                _fill(self.arrays, index, self.topology(index), self.config, self.presets)
            self._built[index] = True


@lru_cache(maxsize=16)
def shared_bank(config: NetworkConfig) -> NetworkBank:
    """The bank of a configuration; environments of one process share it."""
    return NetworkBank(config)


def _presets(config: NetworkConfig, topologies: dict[int, Topology]) -> list[str]:
    """Link presets of all networks of a bank, the configuration's own first; at most 64."""
    named = set(config.hybrid_presets)
    for topology in topologies.values():
        named.update(filter(None, topology.link_presets))
    named.discard(config.preset)
    if len(named) >= MOST_PRESETS:
        raise InvalidInput(
            f"topology has {len(named) + 1} different link presets, but must have at most "
            f"{MOST_PRESETS}, since each takes a table of 2 MB."
        )
    return [config.preset, *sorted(named)]


def _empty(size: int, n: int, links: int, config: NetworkConfig, presets: list[str]) -> Bank:
    pairs, k = n * (n - 1) // 2, config.candidate_paths
    hops = min(config.max_hops, n - 1) * config.disjoint_paths
    recorded, efficiency = recorded_requests(config, n), config.detector_efficiency
    tables = [rate_table(name, efficiency) for name in presets]
    for fault in jamming(config.faults):
        tables += [rate_table(name, efficiency, fault.stray_photons) for name in presets]
    per_block = np.array([table.sifted_per_block for table in tables])
    filled = {
        "rates": np.stack([table.grid for table in tables]),
        "sifted_per_block": per_block if np.isfinite(per_block).any() else per_block[:0],
        "faults": fault_records(config.faults, len(presets)),
        "services": service_records(config.service_classes, interval_s(n)),
        "recorded": recorded.requests,
        "first_recorded": recorded.first,
        "account_terms": account_terms(config.reward_weights),
    }
    faults = len(config.faults)
    arrays = zeros(
        f"bank_size is {size}, candidate_paths {k} and max_hops {config.max_hops}",
        networks=((size,), NETWORK),
        sites=((size, n), SITE_FACTS),
        links=((size, links), LINK_FACTS),
        node_features=((size, len(NODE), padded(n)), np.float32),
        link_features=((size, len(LINK), padded(links)), np.float32),
        link_endpoints=((size, links, 2), np.uint16),
        path_links=((size, pairs, k, hops), np.int16),
        path_hops=((size, pairs, k), np.int8),
        traffic=((size, n + 1, n), ALIAS),
        attack_cumulative=((size, links), np.float64),
        event_rates=((size, faults), np.float64),
        event_cumulative=((size, faults, max(n, links)), np.float64),
        event_places=((size, faults, 2, links), np.int32),
        **{name: (array.shape, array.dtype) for name, array in filled.items()},
    )
    arrays["path_links"][:] = padded(links)
    for name, array in filled.items():
        arrays[name][:] = array
    return Bank(n_sites=n, **arrays)


def nominal_links(
    topology: Topology, config: NetworkConfig, presets: list[str]
) -> tuple[NDArray[np.int64], F64, F64, F64]:
    """What the operator expects of undisturbed links.

    Args:
        topology: The network.
        config: Mean misalignment, and the detectors.
        presets: Link presets that occur, the configuration's own first.

    Returns:
        Index of the preset, key rate (bit/s), QBER and QBER threshold of each link, each (E,).
    """
    links = topology.n_links
    kind = np.array([presets.index(name or config.preset) for name in topology.link_presets])
    rate, qber, threshold = np.zeros(links), np.zeros(links), np.zeros(links)
    for number, name in enumerate(presets):
        table, of_kind = rate_table(name, config.detector_efficiency), kind == number
        losses = topology.loss_db[of_kind]
        rate[of_kind], _, qber[of_kind] = table.look_up(losses, config.misalignment)
        threshold[of_kind] = table.qber_threshold
    return kind, rate, qber, threshold


def _fill(
    bank: Bank, g: int, topology: Topology, config: NetworkConfig, presets: list[str]
) -> None:
    n, links = topology.n_sites, topology.n_links
    ends = topology.link_endpoints
    kind, rate, qber, threshold = nominal_links(topology, config, presets)
    traffic = traffic_matrix(topology, config)
    asking = ~topology.relay
    demand = traffic * np.outer(asking, asking)
    plan = max_concurrent_flow(
        n, ends, rate, demand, config.modules_per_site, partial(tell, "static plan")
    )
    if not plan.scale > 0.0:
        raise InvalidInput(
            f"topology is {topology.name!r}, but it cannot carry any demand: some sites are "
            "joined only by links without key rate."
        )
    mean_bps, requests_per_s = mean_demand(config, bank.recorded, traffic, plan.scale)
    # Nine digits, on which solvers agree, so that no episode depends on the one at hand.
    offered_bps = float(f"{mean_bps:.9g}")

    bank.networks[g] = (
        links,
        topology.district.max() + 1,
        offered_bps / requests_per_s,
        offered_bps,
    )
    bank.link_endpoints[g, :links] = ends
    link_facts = bank.links[g, :links]
    link_facts["loss_db"] = topology.loss_db
    link_facts["length_km"] = topology.length_km
    link_facts["free_space"] = topology.free_space
    link_facts["nominal_rate_bps"] = rate
    link_facts["nominal_qber"] = qber
    link_facts["table"] = kind
    link_facts["qber_threshold"] = threshold
    rate_hourly = np.float32(HOUR_S / config.pool_capacity_bits) * rate.astype(np.float32)
    fixed = bank.link_features[g, :, :links]
    fixed[LINK.nominal_rate] = log1p_singles(rate_hourly)
    fixed[LINK.length] = topology.length_km.astype(np.float32) * np.float32(1.0 / LENGTH_SCALE_KM)
    fixed[LINK.free_space] = topology.free_space
    link_facts["plan"] = round_plan(plan.time_share, rate, ends, config.modules_per_site)
    centred = topology.positions_km - topology.positions_km.mean(axis=0)
    degree = np.bincount(ends.ravel(), minlength=n)
    fixed = bank.node_features[g, :, :n]
    fixed[NODE.x], fixed[NODE.y] = centred.T * (1.0 / LENGTH_SCALE_KM)
    fixed[NODE.degree] = degree * (1.0 / DEGREE_SCALE)
    fixed[NODE.betweenness] = topology.betweenness
    site_facts = bank.sites[g]
    site_facts["district"] = topology.district
    # Districts peak at different hours; the hour depends on the network's name alone.
    rng = np.random.default_rng(zlib.crc32(topology.name.encode()))
    phase = rng.uniform(0.0, 2.0 * np.pi, n)[topology.district]
    # Rounded as everything here that the last bits of a processor's functions could reach.
    site_facts["phase_sin"] = np.round(np.sin(phase), 9)
    site_facts["phase_cos"] = np.round(np.cos(phase), 9)
    # Hops cost one, and forty kilometres as much as a hop: long links make key slowly.
    weights = 1.0 + topology.length_km / 40.0
    paths, bank.path_hops[g] = _candidates(config, ends, weights, asking)
    np.copyto(bank.path_links[g], paths, where=paths >= 0)
    for row, weight in enumerate((*traffic, traffic.sum(axis=1))):
        if weight.any():  # a site without demand is never drawn
            fill_alias_table(weight, bank.traffic[g, row])
    importance, path_share = np.ones(links), _path_share(paths[:, 0, :], links)
    if config.attack_target == "central":
        importance = np.square(path_share + 1e-3)
    bank.attack_cumulative[g, :links] = np.cumsum(importance / importance.sum())
    for f, fault in enumerate(config.faults):
        places = places_of_links(topology, fault.strikes)
        cumulative = np.cumsum(place_weights(topology, fault, places, path_share))
        per_hour = fault.per_hour + fault.per_place_hour * len(cumulative)
        bank.event_rates[g, f] = per_hour / HOUR_S
        bank.event_cumulative[g, f] = 1.0
        bank.event_cumulative[g, f, : len(cumulative)] = cumulative / cumulative[-1]
        bank.event_places[g, f, :, :links] = places


def _candidates(
    config: NetworkConfig,
    ends: NDArray[np.int64],
    weights: F64,
    asking: NDArray[np.bool_],
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """Candidate paths or bundles of paths, see `candidate_paths` and `disjoint_bundles`."""
    n, k, several = len(asking), config.candidate_paths, config.disjoint_paths
    hops, told = min(config.max_hops, n - 1), partial(tell, "candidate paths")
    if several == 1:
        return candidate_paths(ends, weights, n, k, hops, asking, told)
    many = candidate_paths(ends, weights, n, _PATHS_TO_JOIN * k, hops, asking, told)
    return disjoint_bundles(*many, ends, weights, n, k, several)


def _path_share(first_paths: NDArray[np.int16], links: int) -> F64:
    """Share of the site pairs whose first path uses each link."""
    used = first_paths[first_paths >= 0]
    return np.bincount(used, minlength=links) / len(first_paths)
