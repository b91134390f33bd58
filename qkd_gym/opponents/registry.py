"""Opponents by name."""

from __future__ import annotations

from qkd_gym.errors import InvalidInput, require_choice, shown
from qkd_gym.names import register, registered
from qkd_gym.network.config import OPPONENT, OPPONENTS
from qkd_gym.opponents.stock import STOCK
from qkd_gym.opponents.view import Opponent


def available_opponents() -> tuple[str, ...]:
    """Names that the field ``opponent`` of a configuration may have, beside the empty one."""
    return (*OPPONENTS, *registered(OPPONENT))


def register_opponent(name: str, opponent: Opponent) -> None:
    """Makes an opponent known by a name, for the field ``opponent`` of configurations.

    That is in this process and in those that the package starts, which the opponent must be
    pickled for; others register it themselves. Files hold the name alone.

    Args:
        name: 1 to 64 letters, digits, ``-`` and ``_``; none of the package's own.
        opponent: An object with a method ``predict``, see `Opponent`.

    Raises:
        InvalidInput: On a name that is taken or none, or an object without the method.
    """
    if isinstance(opponent, type) or not callable(getattr(opponent, "predict", None)):
        raise InvalidInput(
            f"opponent is {shown(opponent)}, but must be an object with a method predict."
        )
    register(OPPONENT, name, opponent, OPPONENTS)


def get_opponent(name: str) -> Opponent:
    """The opponent of a name.

    Raises:
        InvalidInput: If there is none.
    """
    require_choice("opponent", name, available_opponents())
    return STOCK[name] if name in STOCK else registered(OPPONENT)[name]
