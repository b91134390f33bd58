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
from typing import Annotated, Any, NamedTuple, cast

import gymnasium as gym
import msgspec
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

import qkd_gym
from qkd_gym.benchmark.limits import (
    MOST_ACTIONS,
    require_no_path,
    require_playable,
    require_short_texts,
)
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.envs.tasks import TASKS
from qkd_gym.envs.totals import Totals
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.evaluation.episodes import play
from qkd_gym.files import write_bytes
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.reading import convert, read_json
from qkd_gym.workers import WorkerCount, start_workers

FORMAT = 1
_BATCH = 64

# What can stand in a cell of a table.
_Name = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^|\x00-\x1f\x7f]+\Z")]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """An episode file."""

    format: int
    version: str
    policy: _Name
    env_id: str
    scenario: _Name
    config: dict[str, Any]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    actions: Annotated[list[int | tuple[int, int]], msgspec.Meta(max_length=MOST_ACTIONS)]
    totals: dict[str, float | None]
    checksum: str


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
        totals: Sums over the episode, see `qkd_gym.envs.totals`.
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

    def __init__(
        self, env: QKDVectorEnv, episodes: Sequence[Episode], names: Sequence[str]
    ) -> None:
        space, shape = env.single_action_space, env.action_space.shape
        assert shape is not None
        nvec = space.nvec if isinstance(space, spaces.MultiDiscrete) else np.array(space.n)  # type: ignore[attr-defined]
        longest = max(len(episode.actions) for episode in episodes)
        # One row more than the longest episode: what is played when all actions are used up.
        self._actions = np.full((longest + 1, *shape), nvec - 1, dtype=np.int64)
        for b, (episode, name) in enumerate(zip(episodes, names, strict=True)):
            # Whole numbers only, and of the right shape: anything else cannot be an action.
            try:
                actions = np.asarray(episode.actions)
            except ValueError:
                actions = np.zeros(0)
            fits = actions.dtype == np.int64 and actions.shape[1:] == shape[1:] and actions.size
            if not fits or (actions < 0).any() or (actions >= nvec).any():
                raise InvalidInput(f"{name} has actions outside the action space.")
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

    Its ``actions`` have shape (steps,) or (steps, 2). A network that is not of the catalogue goes
    into the file.
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
    """Reads an episode file without playing it, and without opening anything that it names.

    Raises:
        InvalidInput: If it is not an episode file of this version, was changed, or names the file
            of a network.
    """
    name = _named(path)
    content = read_json(path, dict[str, Any], "episode file")
    found = content.get("version"), content.get("format")
    if found != (qkd_gym.__version__, FORMAT):
        raise InvalidInput(
            f"{name} was made by version {shown(found[0], 20)} (format {shown(found[1], 20)}), but "
            f"only version {qkd_gym.__version__} (format {FORMAT}) can be checked here."
        )
    convert(content, _File, name)
    if content["checksum"] != _checksum(content):
        raise InvalidInput(f"{name} was changed after it was written: its checksum differs.")
    if content["env_id"] not in [task.env_id for task in TASKS.values()]:
        raise InvalidInput(f"{name} names the unknown environment {shown(content['env_id'])}.")
    config = content["config"]
    require_no_path(config.get("topology", "clustered"), name)
    for value in config.values():
        require_short_texts(value, name)
    return Episode(**{field.name: content[field.name] for field in dataclasses.fields(Episode)})


def _named(path: Path) -> str:
    return f"episode file {shown(str(path))}"


class _Part(NamedTuple):
    """Episodes on networks of one configuration, which are played side by side."""

    env_id: str
    config: NetworkConfig
    episodes: list[Episode]
    names: list[str]


def validate(
    paths: Sequence[Path],
    on_progress: Callable[[int], None] | None = None,
    *,
    workers: WorkerCount = 1,
) -> list[Episode]:
    """Plays the episodes of files again and returns them if all their totals come out.

    Args:
        paths: Episode files.
        on_progress: Called with the number of episodes checked so far, first with none.
        workers: Processes that share the work, see `qkd_gym.workers.worker_count`.

    Returns:
        The episodes in the order of the files.

    Raises:
        InvalidInput: If a file does not hold what it claims; the same sentence whatever the number
            of workers.
    """
    files = [Path(path) for path in paths]
    tell, done = on_progress or (lambda done: None), 0
    with start_workers(workers) as team:
        cuts = [files[first : first + _BATCH] for first in range(0, len(files), _BATCH)]
        found = [each for part in team.do(_read, cuts) for each in part]
        parts = _parts(files, found)
        tell(0)

        def note(index: int, result: None) -> None:
            nonlocal done
            done += len(parts[index].episodes)
            tell(done)

        team.do(_replay, parts, note)
    return [episode for episode, _ in found]


def _read(paths: Sequence[Path]) -> list[tuple[Episode, NetworkConfig]]:
    episodes = [read_episode(path) for path in paths]
    return [
        (episode, _config(path, episode)) for path, episode in zip(paths, episodes, strict=True)
    ]


def _parts(files: Sequence[Path], found: Sequence[tuple[Episode, NetworkConfig]]) -> list[_Part]:
    """What is played side by side; episodes of one seed, which share their network, together."""
    groups: dict[tuple[str, NetworkConfig], list[int]] = {}
    for index, (episode, config) in enumerate(found):
        groups.setdefault((episode.env_id, config), []).append(index)
    parts = []
    for (env_id, config), members in groups.items():
        # To build a network takes longer than to play an episode on it.
        members.sort(key=lambda index: found[index][0].seed)
        for first in range(0, len(members), _BATCH):
            part = members[first : first + _BATCH]
            names = [_named(files[index]) for index in part]
            parts.append(_Part(env_id, config, [found[index][0] for index in part], names))
    return parts


def _config(path: Path, episode: Episode) -> NetworkConfig:
    try:
        config = NetworkConfig.from_mapping(episode.config)
    except InvalidInput as error:
        raise InvalidInput(f"{_named(path)}: {error}") from None
    require_playable(config, _named(path))
    return config


def _replay(part: _Part) -> None:
    episodes, names = part.episodes, part.names
    made = gym.make_vec(part.env_id, num_envs=len(episodes), scenario=part.config)
    env = cast("QKDVectorEnv", made)
    try:
        recorded = _Recorded(env, episodes, names)
        played = play(env, recorded, [episode.seed for episode in episodes])
    finally:
        env.close()
    for b, (episode, name) in enumerate(zip(episodes, names, strict=True)):
        if len(episode.actions) != played.steps[b]:
            raise InvalidInput(
                f"{name} has {len(episode.actions)} actions, but its episode takes "
                f"{played.steps[b]}."
            )
        found = {key: finite(values[b]) for key, values in played.totals.items()}
        for key in sorted(found | episode.totals):
            if key not in found or key not in episode.totals or found[key] != episode.totals[key]:
                raise InvalidInput(
                    f"{name} claims {shown(key)} {episode.totals.get(key)!r}, but playing its "
                    f"actions with seed {episode.seed} gives {found.get(key)!r}."
                )


def finite(value: float) -> float | None:
    """The number as JSON has it; null for NaN."""
    return float(value) if np.isfinite(value) else None


def _checksum(content: dict[str, Any]) -> str:
    body = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
