"""From an environment to what its operator's controller would see, and no hidden truth."""

from __future__ import annotations

import math
import uuid
from collections import Counter
from typing import Any

import msgspec
import numpy as np

from qkd_gym import __version__
from qkd_gym.envs.core import Core
from qkd_gym.envs.starting import not_ready
from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.features import FRESHNESS_SCALE_S
from qkd_gym.operators.schema import (
    Alarm,
    AlarmedLink,
    AlarmExtension,
    End,
    Interface,
    Interfaces,
    Link,
    LinkExtension,
    Links,
    NetworkExtension,
    Notification,
    Performance,
    QKDNode,
    Request,
    SiteExtension,
    Tree,
    View,
    Window,
    identity,
)
from qkd_gym.physics import CVQKD, preset
from qkd_gym.topology import Topology

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "qkd-gym")
_MOST_UINT32 = 2**32 - 1
_FORGOTTEN_S = 1e9  # age of a measurement whose freshness has become zero


def view(env: Any, member: int = 0) -> dict[str, Any]:
    """The present state of an episode as its operator sees it, in the names of ETSI GS QKD 015.

    It has what the observation has: of a link that is off, for instance, the last measurement and
    its age. Simulated key is no key.

    Args:
        env: An environment of the package, single or vector, wrapped or not.
        member: Which of a vector environment.

    Returns:
        What `json.dumps` takes, and `qkd_gym.operators.read_view` reads.

    Raises:
        InvalidInput: If it is no such environment or member, or two sites have the same name.
        ResetNeeded: Before the first reset.
    """
    core = getattr(getattr(env, "unwrapped", env), "core", None)
    if not isinstance(core, Core):
        raise InvalidInput(f"env is {shown(env)}, but must be an environment of the package.")
    require_integer("member", member, 0, core.batch - 1)
    if not core.generators:
        raise not_ready(False)
    seen = _Seen(core, member)
    nodes = [seen.tree(site) for site in range(seen.topology.n_sites)]
    plain: dict[str, Any] = msgspec.to_builtins(View(nodes, seen.alarms(), seen.network()))
    return plain


def require_distinct_names(topology: Topology) -> None:
    """Raises `InvalidInput` if two sites have the same name, which names their nodes."""
    name, count = Counter(topology.site_names).most_common(1)[0]
    if count > 1:
        raise InvalidInput(
            f"topology has {count} sites with the name {shown(name)}, but must have names that "
            "tell sites apart, since nodes are known by them."
        )


class _Seen:
    """What is seen of one episode."""

    def __init__(self, core: Core, member: int) -> None:
        sim = core.simulator
        self.core, self.arrays = core, sim.arrays
        self.member = member
        self.episode = sim.arrays.episodes[member]
        network = int(self.episode["network"])
        self.topology = sim.networks.topology(network)
        require_distinct_names(self.topology)
        self.facts = sim.bank.links[network]
        self.links, self.sites = sim.state.links[member], sim.state.sites[member]
        self.blocks, self.struck = sim.state.blocks[member], sim.state.struck[member]
        self.interval_s = float(sim.params["interval_s"][0])
        self.site_ids = [self._id("site", name) for name in self.topology.site_names]
        self.technology = self._technology()

    def _id(self, *words: str) -> str:
        return str(uuid.uuid5(_IDS, "/".join((self.topology.name, *words))))

    def _technology(self) -> str | None:
        """The type of all modules; a mixture has none, since a module serves any link."""
        config = self.core.config
        presets = {name or config.preset for name in self.topology.link_presets}
        kinds = {"CV" if isinstance(preset(name), CVQKD) else "DV" for name in presets}
        return identity(f"{kinds.pop()}-QKD") if len(kinds) == 1 else None

    def tree(self, site: int) -> Tree:
        """What the node of a site says."""
        modules = range(1, self.core.config.modules_per_site + 1)
        own = np.flatnonzero((self.topology.link_endpoints == site).any(axis=1))
        node = QKDNode(
            qkdn_id=self.site_ids[site],
            qkdn_location_id=self.topology.site_names[site],
            qkdn_status=identity("OPERATING"),
            qkdn_version=f"qkd-gym {__version__}, a simulator: its key is no key",
            qkd_interfaces=Interfaces(
                [Interface(module, self.technology, identity("ENABLED")) for module in modules]
            ),
            qkd_links=Links([self._link(link, site) for link in own.tolist()]),
            extension=SiteExtension(
                demand_bps=float(self.sites["demand_average"][site]),
                blocked_bps=float(self.sites["blocked_average"][site]),
            ),
        )
        return Tree(node)

    def alarms(self) -> list[Notification]:
        """The alarms that have been raised and not ended."""
        told = np.flatnonzero(self.struck["alarm"])
        return [
            Notification(
                Alarm(
                    AlarmedLink(
                        qkdl_id=self._link_id(link),
                        qkdl_status=identity(self._status(link)),
                        extension=AlarmExtension(float(self.struck["alarm_s"][link])),
                    )
                )
            )
            for link in told.tolist()
        ]

    def _link_id(self, link: int) -> str:
        names = self.topology.site_names
        return self._id("link", *(names[site] for site in self.topology.link_endpoints[link]))

    def _link(self, link: int, site: int) -> Link:
        state = self.links[link]
        first, second = self.topology.link_endpoints[link].tolist()
        performance, extension = self._measured(link)
        return Link(
            qkdl_id=self._link_id(link),
            qkdl_local=self._end(link, site),
            qkdl_remote=self._end(link, first + second - site),
            qkdl_enable=bool(state["active"]),
            qkdl_status=identity(self._status(link)),
            qkdl_type=identity("PHYS"),
            phys_channel_att=f"{self.topology.loss_db[link]:.3f}",
            qkdl_performance=performance,
            extension=extension,
        )

    def _end(self, link: int, site: int) -> End:
        used = int(self.sites["modules_used"][site])
        held = self.arrays.held[self.member, site, :used].tolist()
        return End(self.site_ids[site], held.index(link) + 1 if link in held else None)

    def _status(self, link: int) -> str:
        state = self.links[link]
        calibrating = state["calibration_left_s"] > 0.0
        silent = state["freshness"] == 1.0 and state["observed_rate"] == 0.0
        if state["active"] and not calibrating and not silent:
            return "ACTIVE"
        if state["pool"] > 0:
            return "PASSIVE"
        return "PENDING" if state["active"] else "OFF"

    def _measured(self, link: int) -> tuple[Performance, LinkExtension]:
        state, facts = self.links[link], self.facts[link]
        demand_bps = float(state["demand_average"])
        performance = Performance(expected_consumption=_as_rate(demand_bps))
        extension = LinkExtension(
            stored_bits=int(state["pool"]),
            demand_bps=demand_bps,
            demand_bits=float(state["demand_now"]),
            blocked_bps=float(state["blocked_average"]),
            running_s=float(state["running_time_s"]),
            calibration_left_s=float(state["calibration_left_s"]),
            switched=bool(state["switched"]),
        )
        if self.blocks.shape[0]:
            extension.block_filled = float(self.blocks["filled"][link])
        if self.struck.shape[0] and self.struck["window"][link]:
            extension.window = Window(
                ends_in_s=float(self.struck["window_left_s"][link]),
                begins_in_s=float(self.struck["window_in_s"][link]),
            )
        freshness = float(state["freshness"])
        if freshness > 0.0 or state["observed_qber"] > 0.0:
            # Products of two single-precision numbers, which double precision holds exactly.
            rate_bps = float(state["observed_rate"]) * float(facts["nominal_rate_bps"])
            qber = float(state["observed_qber"]) * float(facts["qber_threshold"])
            age_s = _FORGOTTEN_S
            if freshness > 0.0:
                age_s = max(-FRESHNESS_SCALE_S * math.log(freshness), 0.0)
            performance.skr = performance.eskr = _as_rate(rate_bps)
            performance.phys_perf = [Performance.Physical(identity("QBER"), f"{qber:.3f}")]
            extension.measured_rate_bps, extension.measured_qber = rate_bps, qber
            extension.measured_s_ago = age_s
        return performance, extension

    def network(self) -> NetworkExtension:
        """What is seen of the network as a whole."""
        episode, task = self.episode, self.core.task
        extension = NetworkExtension(
            simulated=True,
            network_index=int(episode["network"]),
            elapsed_s=int(episode["interval"]) * self.interval_s,
            day_sin=float(episode["day_sin"]),
            day_cos=float(episode["day_cos"]),
        )
        requests, waiting = self.arrays.requests[self.member], self.arrays.waiting[self.member]
        held, cursor = int(episode["n_held"]), int(episode["cursor"])
        if task.decides_releases:
            past = requests[: episode["n_requests"]]
            extension.past_requests = [self._request(each) for each in past]
        if task.decides_paths and cursor < held + episode["n_requests"]:
            asked = waiting[cursor] if cursor < held else requests[cursor - held]
            extension.waiting_request = self._request(asked)
        return extension

    def _request(self, request: np.void) -> Request:
        left = max(int(request["until"]) - int(self.episode["interval"]), 0)
        return Request(
            local_qkdn_id=self.site_ids[request["first"]],
            remote_qkdn_id=self.site_ids[request["second"]],
            bits=int(request["bits"]),
            service=int(request["service"]),
            patience_s=left * self.interval_s,
        )


def _as_rate(rate_bps: float) -> int:
    return min(round(rate_bps), _MOST_UINT32)
