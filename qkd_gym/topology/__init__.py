"""Where sites and candidate links are: generated metro networks and real ones."""

from qkd_gym.topology.files import available, from_mapping, load
from qkd_gym.topology.generators import clustered, clustered_max_links, source_study
from qkd_gym.topology.topology import Topology

__all__ = [
    "Topology",
    "available",
    "clustered",
    "clustered_max_links",
    "from_mapping",
    "load",
    "source_study",
]
