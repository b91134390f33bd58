"""Opponents: eavesdroppers that see what is public, and choose which links to attack.

An opponent is an object with a method ``predict``, see `Opponent`; a configuration names one in its
field ``opponent``. It acts between decision intervals, within a budget that the environment
enforces, see `Opposition`.
"""

from qkd_gym.opponents.opposition import Attacks, Opposition
from qkd_gym.opponents.registry import available_opponents, get_opponent, register_opponent
from qkd_gym.opponents.stock import Betweenness, Busiest, Random
from qkd_gym.opponents.view import Opponent, View

__all__ = [
    "Attacks",
    "Betweenness",
    "Busiest",
    "Opponent",
    "Opposition",
    "Random",
    "View",
    "available_opponents",
    "get_opponent",
    "register_opponent",
]
