"""Where sites and candidate links are: generated metro networks and real ones."""

from qkd_gym.topology.catalogue import DEPLOYED, available, deployed
from qkd_gym.topology.demand import Demand, read_requests
from qkd_gym.topology.files import from_mapping
from qkd_gym.topology.generators import clustered, clustered_max_links, source_study
from qkd_gym.topology.loading import Source, is_own, load
from qkd_gym.topology.topology import Topology

__all__ = [
    "DEPLOYED",
    "Demand",
    "Source",
    "Topology",
    "available",
    "clustered",
    "clustered_max_links",
    "deployed",
    "from_mapping",
    "is_own",
    "load",
    "read_requests",
    "source_study",
]
