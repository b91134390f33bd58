"""Names of ETSI GS QKD 015 V2.1.1, and beside them what the standard has no name for.

The standard is the YANG modules ``etsi-qkd-sdn-node`` and ``etsi-qkd-node-types``, of 2022-01-30;
values are written as RFC 7951 has them in JSON: identities with the name of their module, decimal
numbers of three digits as texts. What the standard lacks, or rounds, stands in objects whose name
begins with ``qkd-gym:``, as augmentations of another module do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from qkd_gym.errors import InvalidInput, shown
from qkd_gym.reading import convert, read_json

MOST_BYTES = 256 * 2**20  # of a file: a network of 1,000 sites has some 30,000 links

Amount = Annotated[float, msgspec.Meta(ge=0.0, le=1e18)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Rate = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]  # bit/s, uint32
Index = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class Interface(msgspec.Struct, omit_defaults=True):
    """A QKD module of a node."""

    qkdi_id: Index
    qkdi_type: str | None = None
    qkdi_status: str | None = None


class Interfaces(msgspec.Struct):
    """The modules of a node."""

    qkd_interface: list[Interface] = []


class End(msgspec.Struct, omit_defaults=True):
    """Where a link ends: a node, and its module while the link holds one."""

    qkdn_id: str
    qkdi_id: Index | None = None


class Performance(msgspec.Struct, omit_defaults=True):
    """What is measured on a link."""

    class Physical(msgspec.Struct):
        """A physical measurement by its type; the QBER is the one that is read."""

        perf_type: str
        value: str | float

    expected_consumption: Rate | None = None
    skr: Rate | None = None
    eskr: Rate | None = None
    phys_perf: list[Physical] = []

    def qber(self, field: str) -> float | None:
        """The QBER, if there is one.

        Args:
            field: What the link is called in errors.

        Raises:
            InvalidInput: If it is no number in [0, 1].
        """
        for each in self.phys_perf:
            if is_identity(each.perf_type, "QBER"):
                return _decimal(f"{field}: QBER", each.value)
        return None


class Window(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A time for which a link is announced to be out of use, such as for maintenance.

    Attributes:
        ends_in_s: Time until it ends.
        begins_in_s: Time until it begins; 0 while it lasts.
    """

    ends_in_s: Amount
    begins_in_s: Amount = 0.0


class LinkExtension(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the standard has no name for, or rounds, of a link.

    Attributes:
        stored_bits: Key in the link's pool.
        measured_rate_bps: Last measured key rate; None takes ``skr``.
        measured_qber: Last measured QBER; None takes that of ``phys_perf``.
        measured_s_ago: Age of these measurements; None stands for no measurement, or for one just
            made if an enabled link has an ``skr``.
        demand_bps: Recent demand on the link; None takes ``expected_consumption``.
        demand_bits: Demand on the link in the last decision interval.
        blocked_bps: Recent demand blocked for want of this link's key.
        running_s: Time since activation.
        calibration_left_s: Time until key flows.
        switched: Whether the link was switched and no time has passed since.
        block_filled: Share of the running block of sifted bits that is there.
        window: The first of the announced times out of use; None for none.
    """

    stored_bits: Bits = 0
    measured_rate_bps: Amount | None = None
    measured_qber: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | None = None
    measured_s_ago: Amount | None = None
    demand_bps: Amount | None = None
    demand_bits: Amount = 0.0
    blocked_bps: Amount = 0.0
    running_s: Amount = 0.0
    calibration_left_s: Amount = 0.0
    switched: bool = False
    block_filled: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    window: Window | None = None


class Link(msgspec.Struct, omit_defaults=True):
    """A key association link as one of its nodes lists it; those of type VIRT are not read."""

    qkdl_id: str
    qkdl_local: End
    qkdl_remote: End
    # Written although it is the standard's default: it is what says whether the link runs.
    qkdl_enable: bool | None = None
    qkdl_status: str | None = None
    qkdl_type: str = "PHYS"
    phys_channel_att: str | float | None = None
    qkdl_performance: Performance = msgspec.field(default_factory=Performance)
    extension: LinkExtension = msgspec.field(name="qkd-gym:link", default_factory=LinkExtension)


class Links(msgspec.Struct):
    """The links of a node."""

    qkd_link: list[Link] = []


class SiteExtension(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the standard has no name for of a site: demand with the site as an end.

    Attributes:
        demand_bps: Recent demand.
        blocked_bps: Recent blocked demand.
    """

    demand_bps: Amount = 0.0
    blocked_bps: Amount = 0.0


class QKDNode(msgspec.Struct, omit_defaults=True):
    """A software-defined QKD node: a site, which `qkdn_location_id` names."""

    qkdn_id: str
    qkdn_location_id: str
    qkdn_status: str | None = None
    qkdn_version: str | None = None
    qkd_interfaces: Interfaces = msgspec.field(default_factory=Interfaces)
    qkd_links: Links = msgspec.field(default_factory=Links)
    extension: SiteExtension = msgspec.field(name="qkd-gym:site", default_factory=SiteExtension)


class Tree(msgspec.Struct):
    """The data tree of a node, as a controller gets it from there."""

    node: QKDNode = msgspec.field(name="etsi-qkd-sdn-node:qkd_node")


class AlarmExtension(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the standard has no name for of an alarm.

    Attributes:
        lasted_s: Time since it was raised.
    """

    lasted_s: Amount = 0.0


class AlarmedLink(msgspec.Struct, omit_defaults=True):
    """The link that an alarm is of."""

    qkdl_id: str
    qkdl_status: str | None = None
    extension: AlarmExtension = msgspec.field(name="qkd-gym:alarm", default_factory=AlarmExtension)


class Alarm(msgspec.Struct, omit_defaults=True):
    """The content of an alarm; those of interfaces and applications are not read."""

    link: AlarmedLink | None = None


class Notification(msgspec.Struct):
    """An alarm as a node tells of it."""

    alarm: Alarm = msgspec.field(name="etsi-qkd-sdn-node:alarm")


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A request for key between two sites.

    Attributes:
        local_qkdn_id: Node of the one.
        remote_qkdn_id: Node of the other.
        bits: Requested key.
        service: Position of its class among the scenario's ``service_classes``.
        patience_s: Time for which it may still wait.
    """

    local_qkdn_id: str
    remote_qkdn_id: str
    bits: Annotated[int, msgspec.Meta(ge=1, le=2**62)]
    service: Index = 0
    patience_s: Amount = 0.0


class NetworkExtension(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the standard has no name for of the network as a whole.

    Attributes:
        simulated: Whether a simulator wrote the view, so that there is no key at all.
        network_index: Which network of the scenario's bank this is.
        elapsed_s: Time since the start of the episode.
        day_sin: Sine of the time of day, as an angle.
        day_cos: Cosine of it.
        past_requests: Requests of the decision interval that has passed.
        waiting_request: The request that waits for a decision.
    """

    simulated: bool = False
    network_index: Index = 0
    elapsed_s: Amount = 0.0
    day_sin: Annotated[float, msgspec.Meta(ge=-1.0001, le=1.0001)] = 0.0
    day_cos: Annotated[float, msgspec.Meta(ge=-1.0001, le=1.0001)] = 1.0
    past_requests: list[Request] = []
    waiting_request: Request | None = None


class View(msgspec.Struct, omit_defaults=True):
    """A network as its controller sees it: the tree of every node, the alarms that have been raised
    and not ended, and the network as a whole."""

    nodes: list[Tree]
    alarms: list[Notification] = []
    extension: NetworkExtension = msgspec.field(
        name="qkd-gym:network", default_factory=NetworkExtension
    )


def identity(name: str) -> str:
    """An identity of the standard as JSON has it."""
    return f"etsi-qkd-node-types:{name}"


def is_identity(text: str, name: str) -> bool:
    """Whether a text is this identity, whatever prefix it has."""
    return text.rpartition(":")[2] == name


def _decimal(field: str, value: str | float) -> float:
    """A number, which RFC 7951 has as text if it is decimal."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise InvalidInput(f"{field} is {shown(value)}, but must be a number in [0, 1].")
    return number


def read_view(source: Mapping[str, Any] | str | Path) -> View:
    """A view from plain values or from a JSON file; leaves that nothing reads are let through.

    Args:
        source: What `qkd_gym.operators.view` returns or a controller says, or the path of a file
            with it.

    Raises:
        InvalidInput: If the file cannot be read, or something is not as the schema has it.
    """
    if isinstance(source, (str, Path)):
        return read_json(Path(source), View, "view", MOST_BYTES)
    return convert(source, View, "view")
