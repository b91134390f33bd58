"""What can be delivered at all: bounds, the exact optimum, and a reference with foresight."""

from qkd_gym.bounds.clairvoyant import ClairvoyantBound, clairvoyant_bound, exact_optimum
from qkd_gym.bounds.foresight import ForesightPolicy
from qkd_gym.bounds.routing import RoutingBound, routing_bound
from qkd_gym.bounds.trace import EpisodeTrace, episode_trace

__all__ = [
    "ClairvoyantBound",
    "EpisodeTrace",
    "ForesightPolicy",
    "RoutingBound",
    "clairvoyant_bound",
    "episode_trace",
    "exact_optimum",
    "routing_bound",
]
