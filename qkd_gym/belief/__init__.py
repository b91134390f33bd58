"""What an operator may believe of the hidden part of an episode, from what can be seen of it.

A filter runs beside every episode and is told, interval by interval, what an operator sees. From it
a hidden state can be drawn at any time, as often as futures are wanted. What filters read is in
`qkd_gym.belief.records.Seen`, and nothing else: the last observed rate and QBER of each link and
their freshness, the sites of the past interval's requests, the time, the network, and the
configuration.
"""

from qkd_gym.belief.records import Belief
from qkd_gym.belief.tracker import Tracker

__all__ = ["Belief", "Tracker"]
