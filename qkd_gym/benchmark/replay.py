"""Episode files: a claim about one episode that anyone can check by playing it again.

A file holds the configuration, the seed, every action and the totals. It is accepted only if the
same actions give the same totals, bit for bit, in the same version of the package.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

import qkd_gym
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.evaluation.account import Totals
from qkd_gym.evaluation.episodes import play
from qkd_gym.files import write_bytes
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import as_mapping

FORMAT = 1
_BATCH = 64


@dataclass(frozen=True)
class Episode:
    """A played episode as its file has it.

    Attributes:
        policy: Name of the policy.
        env_id: Environment.
        scenario: Name of the scenario.
        config: Fields of `NetworkConfig`.
        seed: Seed of the episode.
        actions: Every action, integers or pairs of them.
        totals: Sums over the episode, see `qkd_gym.evaluation.account`.
    """

    policy: str
    env_id: str
    scenario: str
    config: dict[str, Any]
    seed: int
    actions: list[Any]
    totals: dict[str, float | None]


class _Recorded:
    """Plays recorded actions; members whose actions are used up do nothing."""

    def __init__(self, env: QKDVectorEnv, episodes: Sequence[Episode]) -> None:
        space, shape = env.single_action_space, env.action_space.shape
        assert shape is not None
        nvec = space.nvec if isinstance(space, spaces.MultiDiscrete) else np.array(space.n)  # type: ignore[attr-defined]
        longest = max(len(episode.actions) for episode in episodes)
        # One row more than the longest episode: what is played when all actions are used up.
        self._actions = np.full((longest + 1, *shape), nvec - 1, dtype=np.int64)
        for b, episode in enumerate(episodes):
            # Whole numbers only, and of the right shape: anything else cannot be an action.
            try:
                actions = np.asarray(episode.actions)
            except ValueError:
                actions = np.zeros(0)
            fits = actions.dtype == np.int64 and actions.shape[1:] == shape[1:] and actions.size
            if not fits or (actions < 0).any() or (actions >= nvec).any():
                raise InvalidInput(
                    f"the episode of {episode.policy!r} in {episode.scenario!r} with seed "
                    f"{episode.seed} has actions outside the action space."
                )
            self._actions[: len(actions), b] = actions

    def predict(
        self,
        obs: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """The next recorded actions; ``state`` is the number of steps so far, None at first."""
        step = state or 0
        return self._actions[min(step, len(self._actions) - 1)], step + 1


def record(
    policy: str,
    env_id: str,
    scenario: str,
    config: NetworkConfig,
    seed: int,
    actions: NDArray[np.int64],
    totals: Totals,
    index: int,
) -> Episode:
    """Episode ``index`` of the batch of ``totals`` as a file has it.

    Its ``actions`` have shape (steps,) or (steps, 2).
    """
    return Episode(
        policy,
        env_id,
        scenario,
        json.loads(json.dumps(as_mapping(config))),
        int(seed),
        actions.tolist(),
        {key: finite(values[index]) for key, values in totals.items()},
    )


def write_episode(path: Path, episode: Episode) -> None:
    """Writes an episode file."""
    content = {"format": FORMAT, "version": qkd_gym.__version__, **vars(episode)}
    content["checksum"] = _checksum(content)
    write_bytes(path, (json.dumps(content, separators=(",", ":")) + "\n").encode())


def read_episode(path: Path) -> Episode:
    """Reads an episode file without playing it.

    Raises:
        InvalidInput: If it is not an episode file of this version, or was changed.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidInput(f"{str(path)!r} is not an episode file: it is no JSON.") from None
    fields = [field.name for field in dataclasses.fields(Episode)]
    if not isinstance(content, dict) or set(content) != {"format", "version", "checksum", *fields}:
        raise InvalidInput(f"{str(path)!r} is not an episode file: its fields are others.")
    if content["format"] != FORMAT or content["version"] != qkd_gym.__version__:
        raise InvalidInput(
            f"{str(path)!r} was made by version {content['version']} (format {content['format']}), "
            f"but only version {qkd_gym.__version__} (format {FORMAT}) can be checked here."
        )
    if content["checksum"] != _checksum(content):
        raise InvalidInput(f"{str(path)!r} was changed after it was written: its checksum differs.")
    return Episode(**{field: content[field] for field in fields})


def validate(
    paths: Sequence[Path], on_progress: Callable[[int], None] | None = None
) -> list[Episode]:
    """Plays the episodes of files again and returns them if all their totals come out.

    Args:
        paths: Episode files.
        on_progress: Called with the number of episodes checked so far.

    Raises:
        InvalidInput: On the first file that does not hold what it claims.
    """
    episodes = [read_episode(Path(path)) for path in paths]
    groups: dict[str, list[int]] = {}
    for index, episode in enumerate(episodes):
        key = json.dumps([episode.env_id, episode.config], sort_keys=True)
        groups.setdefault(key, []).append(index)
    done = 0
    for members in groups.values():
        for start in range(0, len(members), _BATCH):
            part = members[start : start + _BATCH]
            _replay([episodes[i] for i in part], [str(paths[i]) for i in part])
            done += len(part)
            if on_progress is not None:
                on_progress(done)
    return episodes


def _replay(episodes: list[Episode], names: list[str]) -> None:
    first = episodes[0]
    if first.env_id not in [task.env_id for task in TASKS.values()]:
        raise InvalidInput(f"{names[0]!r} names the unknown environment {first.env_id!r}.")
    if not all(isinstance(e.seed, int) and e.seed >= 0 for e in episodes):
        raise InvalidInput(f"{names[0]!r} or a file with its configuration has a bad seed.")
    made = gym.make_vec(first.env_id, num_envs=len(episodes), scenario=first.config)
    env = cast("QKDVectorEnv", made)
    try:
        seeds: list[int | None] = [episode.seed for episode in episodes]
        played = play(env, _Recorded(env, episodes), seeds)
    finally:
        env.close()
    for b, (episode, name) in enumerate(zip(episodes, names, strict=True)):
        if len(episode.actions) != played.steps[b]:
            raise InvalidInput(
                f"{name!r} has {len(episode.actions)} actions, but its episode takes "
                f"{played.steps[b]}."
            )
        found = {key: finite(values[b]) for key, values in played.totals.items()}
        for key in sorted(found | episode.totals):
            if key not in found or key not in episode.totals or found[key] != episode.totals[key]:
                raise InvalidInput(
                    f"{name!r} claims {key} {episode.totals.get(key)!r}, but playing its actions "
                    f"with seed {episode.seed} gives {found.get(key)!r}."
                )


def finite(value: float) -> float | None:
    """The number as JSON has it; null for NaN."""
    return float(value) if np.isfinite(value) else None


def _checksum(content: dict[str, Any]) -> str:
    body = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
