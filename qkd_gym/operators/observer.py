"""From a controller's view to the observation that policies decide by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.core import Core, Scenario
from qkd_gym.envs.observe import observe_one
from qkd_gym.envs.tasks import get_task
from qkd_gym.errors import InvalidInput, require_between, require_choice, shown
from qkd_gym.features import FRESHNESS_SCALE_S
from qkd_gym.jit import compiled
from qkd_gym.operators.schema import (
    Link,
    NetworkExtension,
    Request,
    View,
    Window,
    is_identity,
    read_view,
)
from qkd_gym.operators.views import require_distinct_names
from qkd_gym.topology import Topology

_NETWORK = "view: qkd-gym:network"
_MOST_INTERVALS = 1e6  # for which a request may wait


class Observer:
    """Observes views of a network as an environment observes its episodes.

    The network, and what is known beforehand such as the number of modules and the time that
    calibration takes, come from the scenario. Nodes are its sites of the same name,
    ``qkdn_location_id``; links those between the same sites, and one that no node lists is off and
    was never measured. Of a link that both of its nodes list, the first entry counts.

    Args:
        env_id: Environment whose observations are made.
        scenario: As environments take it; None takes the environment's own.
        **overrides: Fields of `NetworkConfig` to change.

    Raises:
        InvalidInput: On what environments refuse.
    """

    def __init__(self, env_id: str, scenario: Scenario | None = None, **overrides: Any) -> None:
        task = get_task(env_id)
        chosen = task.default_scenario if scenario is None else scenario
        self._core = Core(chosen, overrides, 1, task)

    def observe(self, view: View | Mapping[str, Any] | str | Path) -> dict[str, NDArray[Any]]:
        """The observation of a view: the environment's own, bit for bit, if one wrote the view.

        Args:
            view: From `read_view`, or what that takes.

        Raises:
            InvalidInput: If the view is not of this network: it names other sites, lacks one or has
                two of one name, joins sites that no candidate link joins, runs more links at a
                site than there are modules, has an alarm of a link that it lacks, or has a number
                outside the scenario's range.
        """
        seen = view if isinstance(view, View) else read_view(view)
        sim, network = self._core.simulator, seen.extension.network_index
        sim.require_network(network)
        sim.build_networks(np.array([network]))
        for array in sim.arrays:
            array[...] = np.zeros((), array.dtype)
        sim.arrays.episodes["network"] = network
        sites = _sites(seen, sim.networks.topology(network))
        self._write_network(seen.extension, sites)
        self._write_sites(seen, sites)
        link_of = self._write_links(seen, sites)
        if len(sim.bank.faults):
            self._write_alarms(seen, link_of)
        frame = self._core.frame
        _observe(sim.arrays, sim.bank, sim.params, frame.buffer, sim.work)
        return {name: array.copy(order="K") for name, array in frame.only.items()}

    def _write_network(self, seen: NetworkExtension, sites: dict[str, int]) -> None:
        core = self._core
        sim, params = core.simulator, core.simulator.params[0]
        episode, requests = sim.arrays.episodes[0], sim.arrays.requests[0]
        lasts_s = float(params["intervals"] * params["interval_s"])
        require_between(f"{_NETWORK}: elapsed_s", seen.elapsed_s, 0.0, lasts_s, unit="s")
        interval = round(seen.elapsed_s / float(params["interval_s"]))
        episode["interval"] = interval
        episode["day_sin"], episode["day_cos"] = seen.day_sin, seen.day_cos
        told = seen.past_requests if core.task.decides_releases else []
        if core.task.decides_paths and seen.waiting_request is not None:
            told = [seen.waiting_request]
        if len(told) > len(requests):
            raise InvalidInput(
                f"{_NETWORK}: past_requests has {len(told)} requests, but must have at most "
                f"{len(requests)}, as many as the scenario has room for."
            )
        episode["n_requests"] = len(told)
        # The past ones have been decided, the waiting one has not.
        episode["cursor"] = 0 if core.task.decides_paths else len(told)
        for row, request in zip(requests, told, strict=False):
            self._write_request(row, request, sites, interval)

    def _write_request(
        self, row: np.void, request: Request, sites: dict[str, int], interval: int
    ) -> None:
        sim = self._core.simulator
        ends = sorted(
            _site(f"{_NETWORK}: request", node, sites)
            for node in (request.local_qkdn_id, request.remote_qkdn_id)
        )
        if ends[0] == ends[1]:
            raise InvalidInput(
                f"{_NETWORK}: request joins the node {shown(request.local_qkdn_id)} to itself, but "
                "must join two."
            )
        classes = max(len(sim.bank.services), 1)
        require_between(f"{_NETWORK}: service of a request", request.service, 0, classes - 1)
        row["first"], row["second"] = ends
        row["bits"], row["service"] = request.bits, request.service
        left = min(request.patience_s / float(sim.params["interval_s"][0]), _MOST_INTERVALS)
        row["until"] = interval + round(left)

    def _write_sites(self, seen: View, sites: dict[str, int]) -> None:
        columns = self._core.simulator.state.sites
        for tree in seen.nodes:
            site, told = sites[tree.node.qkdn_id], tree.node.extension
            columns["demand_average"][0, site] = told.demand_bps
            columns["blocked_average"][0, site] = told.blocked_bps

    def _write_links(self, seen: View, sites: dict[str, int]) -> dict[str, int | None]:
        """Writes what is told of links.

        Returns:
            The link of each ``qkdl_id``; None for links that are not read.
        """
        sim = self._core.simulator
        topology = sim.networks.topology(seen.extension.network_index)
        candidates = {(a, b): e for e, (a, b) in enumerate(topology.link_endpoints.tolist())}
        found: set[int] = set()
        link_of: dict[str, int | None] = {}
        for tree in seen.nodes:
            for link in tree.node.qkd_links.qkd_link:
                if is_identity(link.qkdl_type, "VIRT"):
                    link_of.setdefault(link.qkdl_id, None)
                    continue
                field = f"view: qkd_link {shown(link.qkdl_id)}"
                told = (link.qkdl_local.qkdn_id, link.qkdl_remote.qkdn_id)
                first, second = sorted(_site(field, node, sites) for node in told)
                if (first, second) not in candidates:
                    names = (shown(topology.site_names[site]) for site in (first, second))
                    raise InvalidInput(
                        f"{field} joins {' and '.join(names)}, but must be a candidate link of "
                        f"{shown(topology.name)}."
                    )
                index = candidates[first, second]
                if index not in found:
                    self._write_link(index, link, field)
                    if link.qkdl_enable is not False:
                        for site in (first, second):
                            self._take_module(site, index, topology.site_names[site])
                found.add(index)
                link_of[link.qkdl_id] = index
        return link_of

    def _write_alarms(self, seen: View, link_of: dict[str, int | None]) -> None:
        struck = self._core.simulator.state.struck
        for told in seen.alarms:
            alarmed = told.alarm.link
            if alarmed is None:
                continue
            if alarmed.qkdl_id not in link_of:
                raise InvalidInput(
                    f"view: alarm has the qkdl_id {shown(alarmed.qkdl_id)}, but must have that of "
                    "a qkd_link."
                )
            link = link_of[alarmed.qkdl_id]
            if link is not None:
                # Of several alarms of a link the first that was raised counts.
                lasted_s = max(struck["alarm_s"][0, link], alarmed.extension.lasted_s)
                struck["alarm"][0, link], struck["alarm_s"][0, link] = True, lasted_s

    def _take_module(self, site: int, link: int, name: str) -> None:
        sim = self._core.simulator
        used, held = sim.state.sites["modules_used"], sim.arrays.held[0, site]
        if used[0, site] == len(held):
            raise InvalidInput(
                f"view: site {shown(name)} has more than {len(held)} enabled links, but must have "
                "at most one per QKD module."
            )
        held[int(used[0, site])] = link
        used[0, site] += 1

    def _write_link(self, index: int, link: Link, field: str) -> None:
        sim = self._core.simulator
        facts = sim.bank.links[sim.arrays.episodes["network"][0], index]
        told, enabled = link.extension, link.qkdl_enable is not False
        config = self._core.config
        for name, most in (
            ("stored_bits", config.pool_capacity_bits),
            ("calibration_left_s", float(np.float32(config.calibration_s))),
        ):
            require_between(f"{field}: {name}", getattr(told, name), 0, most)
        rate_bps, qber, freshness = _measured(link, enabled, field)
        nominal_bps = float(facts["nominal_rate_bps"])
        demand_bps = link.qkdl_performance.expected_consumption or 0
        written = {
            "pool": told.stored_bits,
            "active": enabled,
            "switched": told.switched,
            "calibration_left_s": told.calibration_left_s,
            "running_time_s": told.running_s,
            "observed_rate": rate_bps / nominal_bps if nominal_bps > 0.0 else 0.0,
            "observed_qber": qber / float(facts["qber_threshold"]),
            "freshness": freshness,
            "demand_now": told.demand_bits,
            "demand_average": demand_bps if told.demand_bps is None else told.demand_bps,
            "blocked_average": told.blocked_bps,
        }
        for name, value in written.items():
            sim.state.links[name][0, index] = value
        if len(sim.bank.sifted_per_block):
            sim.state.blocks["filled"][0, index] = told.block_filled
        if len(sim.bank.faults) and told.window is not None:
            self._write_window(index, told.window, field)

    def _write_window(self, index: int, window: Window, field: str) -> None:
        struck = self._core.simulator.state.struck
        ends_in_s = window.ends_in_s
        require_between(f"{field}: window: begins_in_s", window.begins_in_s, 0.0, ends_in_s)
        struck["window"][0, index] = True
        struck["window_in_s"][0, index] = window.begins_in_s
        struck["window_left_s"][0, index] = ends_in_s


@compiled
def _observe(s, bank, params, observations, work):  # type: ignore[no-untyped-def]
    observe_one(observations, s, bank, params[0], 0, work)


def _sites(seen: View, topology: Topology) -> dict[str, int]:
    """Site of every node, by its id."""
    require_distinct_names(topology)
    nodes, names = [tree.node for tree in seen.nodes], topology.site_names
    for node in nodes:
        require_choice("view: qkdn_location_id", node.qkdn_location_id, names)
    count = Counter(node.qkdn_location_id for node in nodes)
    for name in names:
        if count[name] != 1:
            raise InvalidInput(
                f"view has {count[name]} nodes with the qkdn_location_id {shown(name)}, but must "
                "have one."
            )
    site_of = {name: site for site, name in enumerate(names)}
    sites = {node.qkdn_id: site_of[node.qkdn_location_id] for node in nodes}
    if len(sites) < len(nodes):
        twice = Counter(node.qkdn_id for node in nodes).most_common(1)[0][0]
        raise InvalidInput(f"view has two nodes with the qkdn_id {shown(twice)}.")
    return sites


def _site(field: str, node: str, sites: dict[str, int]) -> int:
    if node not in sites:
        raise InvalidInput(f"{field} has the qkdn_id {shown(node)}, but must have that of a node.")
    return sites[node]


def _measured(link: Link, enabled: bool, field: str) -> tuple[float, float, float]:
    """Key rate in bit/s, QBER and freshness of the last measurement, zeros for none."""
    told, standard = link.extension, link.qkdl_performance
    rate_bps = standard.skr if told.measured_rate_bps is None else told.measured_rate_bps
    qber = standard.qber(field) if told.measured_qber is None else told.measured_qber
    age_s = told.measured_s_ago
    if age_s is None:
        if rate_bps is None or not enabled:
            return 0.0, 0.0, 0.0
        age_s = 0.0
    return rate_bps or 0.0, qber or 0.0, math.exp(-age_s / FRESHNESS_SCALE_S)
