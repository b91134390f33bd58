"""What `reset` may be told: seeds and options, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils import seeding
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_integer, require_known_keys, shown
from qkd_gym.network.simulator import Simulator


class Options(NamedTuple):
    """Options of a reset.

    Attributes:
        network_index: Network of the bank for the episodes that this reset starts; the ones after
            them draw theirs as ever. None for one that is drawn.
        members: Members of a vector environment that start anew, shape (n,).
    """

    network_index: int | None
    members: NDArray[np.int64]


def read_options(options: Any, simulator: Simulator, *, batch: int | None = None) -> Options:
    """Checks the options of a reset.

    Args:
        options: ``options`` of `gymnasium.Env.reset`; None and an empty mapping are none.
        simulator: Has the networks that an index may name.
        batch: Number of members of a vector environment, whose option ``reset_mask`` says which
            of them start anew; None for a single environment, which has no such option.

    Raises:
        InvalidInput: On an unknown option, or a value that it cannot have.
    """
    given = {} if options is None else options
    if not isinstance(given, Mapping):
        raise InvalidInput(f"options is {shown(options)}, but must be a mapping or None.")
    known = ["network_index"] if batch is None else ["network_index", "reset_mask"]
    require_known_keys("options", given, known)
    if "network_index" in given:
        simulator.require_network(given["network_index"])
    members = np.arange(batch or 1)
    if "reset_mask" in given:
        members = np.flatnonzero(_mask(given["reset_mask"], len(members)))
    return Options(given.get("network_index"), members)


def _mask(mask: Any, batch: int) -> NDArray[np.bool_]:
    is_mask = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (batch,)
    if not is_mask or not mask.any():
        raise InvalidInput(
            f"reset_mask is {shown(mask)}, but must be an array of {batch} truth values of which "
            "at least one is true."
        )
    return mask


def read_seed(field: str, seed: Any) -> int | None:
    """A seed as Gymnasium wants it: a Python integer, or None for none.

    Raises:
        InvalidInput: If it is neither None nor a non-negative integer, Python's or NumPy's.
    """
    if seed is None:
        return None
    require_integer(field, seed, 0)
    return int(seed)


def read_seeds(seed: Any, batch: int) -> list[int | None]:
    """One seed per member.

    Args:
        seed: A seed ``s``, which gives member ``i`` the seed ``s + i``; None for none; or one of
            these per member, in a list, a tuple or an array.
        batch: Number of members.

    Raises:
        InvalidInput: If there is another number of seeds, or one that is no seed.
    """
    if not isinstance(seed, (list, tuple, np.ndarray)):
        first = read_seed("seed", seed)
        return [None if first is None else first + i for i in range(batch)]
    if np.ndim(seed) != 1 or len(seed) != batch:
        raise InvalidInput(f"seed is {shown(seed)}, but must be one integer or {batch} of them.")
    return [read_seed(f"seed[{i}]", one) for i, one in enumerate(seed)]


def new_generator(seed: int | None) -> np.random.Generator:
    """The generator that `gymnasium.Env.reset` makes of a seed."""
    return seeding.np_random(seed)[0]


def not_ready(closed: bool, started: bool = False) -> Exception:
    """Why an environment cannot step, or cannot start, as one of Gymnasium's errors.

    Args:
        closed: Whether it has been closed.
        started: Whether it has ever been reset.
    """
    if closed:
        return ClosedEnvironmentError("The environment is closed: make another one.")
    why = "the episode is over" if started else "no episode has begun"
    return ResetNeeded(f"No step is possible, since {why}: call reset first.")
