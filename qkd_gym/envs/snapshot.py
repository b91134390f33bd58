"""Where episodes stand, set aside, so that they can go on from there again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.belief import Belief
from qkd_gym.envs.observation import Observation
from qkd_gym.envs.totals import Sums
from qkd_gym.envs.transition import Results
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.network.config import FIELDS, NetworkConfig
from qkd_gym.network.state import Records, State
from qkd_gym.opponents import Attacks

Members = NDArray[np.int64]
GeneratorState = dict[str, Any]  # of NumPy's bit generators


class Contents(NamedTuple):
    """What there is of n episodes, each array with as many of them as the batch it is from.

    Attributes:
        state: Everything that changes during an episode.
        observation: The last observations.
        results: What the last step or start returned beside them.
        sums: Over each episode so far; None where nobody asks for an episode's totals.
        belief: What the operator knows of the hidden part; None where nobody keeps track.
        attacks: Those of an opponent; None without one.
    """

    state: State
    observation: Observation
    results: Results
    sums: Sums | None
    belief: Belief | None
    attacks: Attacks | None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Where n episodes of an environment or of a model stand; it never changes.

    From ``snapshot()``, for ``restore()``, in this process or, pickled, in another one. It can be
    restored into any n members of an environment, or rows of a model, with the same task and
    configuration.

    Attributes:
        config: Configuration of the episodes.
        task: Name of the task.
        contents: The arrays, read-only.
        generators: States of the generators of the episodes; empty for those of a model.
    """

    config: NetworkConfig
    task: str
    contents: Contents
    generators: tuple[GeneratorState, ...]

    def __post_init__(self) -> None:
        for group in self.contents:
            for array in group or ():
                array.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, since arrays come out of a pickle writeable.
        return type(self), (self.config, self.task, self.contents, self.generators)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.contents.state.episodes)

    def check_generators(self) -> None:
        """Raises `InvalidInput` unless an environment can go on from here."""
        if not self.generators:
            raise InvalidInput(
                "snapshot is of a model, but must be of an environment, since later episodes are "
                "drawn from its generators."
            )

    def check(self, config: NetworkConfig, task: str, members: Members) -> None:
        """Raises `InvalidInput` unless these members can go on from here.

        Args:
            config: Their configuration.
            task: Name of their task.
            members: Their indices.
        """
        if self.task != task:
            raise InvalidInput(f"snapshot is of {self.task}, but must be of {task}.")
        if len(self) != len(members):
            raise InvalidInput(
                f"snapshot has {len(self)} episodes, but must have {len(members)}, as many as "
                "members are restored."
            )
        if self.config is not config and self.config != config:
            name = next(n for n in FIELDS if getattr(self.config, n) != getattr(config, n))
            raise InvalidInput(
                f"snapshot has {name} {shown(getattr(self.config, name))}, but must have "
                f"{shown(getattr(config, name))}, as what is restored."
            )


def gather(contents: Contents, members: Members) -> Contents:
    """Copies of the episodes of these members."""

    def of_members(group: Any) -> Any:
        if group is None:
            return None
        axis = _episodes_axis(group)
        return type(group)(*(array.take(members, axis=axis) for array in group))

    return Contents(*map(of_members, contents))


def _episodes_axis(group: Any) -> int:
    return -1 if isinstance(group, Results) else 0


def scatter(source: Contents, contents: Contents, members: Members) -> None:
    """Writes gathered episodes into these members; what one side lacks is left alone."""
    for group, into in zip(source, contents, strict=True):
        if group is None or into is None:
            continue
        place = (..., members) if _episodes_axis(group) else members
        written: Any = zip(group, into, strict=True)
        for array, target in written:
            _plain(target)[place] = _plain(array)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Records as rows of bytes, which NumPy copies much faster; other arrays as they are."""
    if array.dtype.names is None:
        return array
    return array.view(np.uint8).reshape(len(array), -1)


def has_ended(episodes: Records, params: Records) -> NDArray[np.bool_]:
    """Which episodes are over, (B,).

    Args:
        episodes: EPISODE records, (B,).
        params: From `qkd_gym.network.state.kernel_params`.
    """
    is_asked = episodes["cursor"] < episodes["n_held"] + episodes["n_requests"]
    waiting = params["decides_paths"] & is_asked
    ended: NDArray[np.bool_] = (episodes["interval"] >= params["intervals"]) & (waiting == 0)
    return ended


def read_members(field: str, members: Any, batch: int, *, distinct: bool) -> Members:
    """Indices of members of a batch.

    Args:
        field: What they are called in errors.
        members: Integers in a list, a tuple or an array; None for all.
        batch: Size of the batch.
        distinct: Whether each may occur once only.

    Raises:
        InvalidInput: If they are anything else.
    """
    if members is None:
        return np.arange(batch)
    try:
        array = np.asarray(members)
    except ValueError:  # lists of different lengths
        array = np.empty((0, 0))
    is_list = array.ndim == 1 and array.size > 0 and array.dtype.kind in "iu"
    if not is_list or array.min() < 0 or array.max() >= batch:
        raise InvalidInput(
            f"{field} is {shown(members)}, but must be a list of integers in [0, {batch - 1}]."
        )
    if distinct and len(np.unique(array)) < len(array):
        raise InvalidInput(f"{field} is {shown(members)}, but must have each of them once only.")
    return array.astype(np.int64)
