"""Where sites and candidate links are: generated metro networks and real ones."""

from qkd_gym.topology.demand import Demand, read_requests
from qkd_gym.topology.files import available, from_mapping, load
from qkd_gym.topology.generators import clustered, clustered_max_links, source_study
from qkd_gym.topology.topology import Topology

__all__ = [
    "Demand",
    "Topology",
    "available",
    "clustered",
    "clustered_max_links",
    "from_mapping",
    "load",
    "read_requests",
    "source_study",
]
