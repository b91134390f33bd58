"""How environments make models of their episodes: of the true hidden state, or of imagined ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded

from qkd_gym.belief import Tracker
from qkd_gym.envs.core import Core
from qkd_gym.envs.model import Model
from qkd_gym.envs.snapshot import Members, read_members
from qkd_gym.envs.starting import not_ready, read_seed
from qkd_gym.errors import InvalidInput, require_flag, require_integer

_MOST_ROWS = 1_000_000


class Branches:
    """Makes the models of an environment, and keeps one of each size to use it again.

    Args:
        core: Episodes of the environment.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._models: dict[int, Model] = {}
        # Of each member, the generator of its episodes and the one of its imagined futures.
        self._generators: dict[int, tuple[np.random.Generator, np.random.Generator]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Models do not travel: they are made again when they are asked for."""
        return {**self.__dict__, "_models": {}}

    def track_belief(self) -> None:
        """See `Branching.track_belief`."""
        core = self._core
        _require_beliefs(core)
        if core.tracker is None:
            core.tracker = Tracker(core.simulator)
            if core.generators:
                core.tracker.start(np.flatnonzero(core.simulator.arrays.episodes["interval"] == 0))

    def branch(self, futures: int, members: Members, peek: bool, seed: int | None) -> Model:
        """See `Branching.branch`, whose arguments these are, checked."""
        core = self._core
        if not peek:
            self._require_belief(members)
        generators = self._planning_generators(members, seed)
        keys = [each.integers(2**64, size=futures, dtype=np.uint64) for each in generators]
        model = self._model(len(members) * futures)
        model.become(
            core.contents()._replace(sums=None, belief=None),
            members.repeat(futures),
            np.concatenate(keys),
        )
        if not peek and core.tracker is not None:
            for i, (b, generator) in enumerate(zip(members.tolist(), generators, strict=True)):
                hidden = core.tracker.imagine(b, futures, generator)
                rows = slice(i * futures, (i + 1) * futures)
                model.imagine(rows, hidden)
                model.imagine_faults(rows, generator)
        return model

    def _require_belief(self, members: Members) -> None:
        _require_beliefs(self._core)
        tracker = self._core.tracker
        unknown = members if tracker is None else members[~tracker.belief.is_kept[members]]
        if len(unknown):
            raise ResetNeeded(
                "What the operator believes has not been tracked from the start of the episode of "
                f"member {unknown[0]}: call track_belief before it begins, or branch with "
                "peek=True."
            )

    def _model(self, rows: int) -> Model:
        if rows not in self._models:
            self._models[rows] = Model(self._core, rows)
        return self._models[rows]

    def _planning_generators(self, members: Members, seed: int | None) -> list[np.random.Generator]:
        if seed is not None:
            seeds = np.random.SeedSequence(seed).spawn(len(members))
            return [np.random.default_rng(each) for each in seeds]
        result = []
        for b in members.tolist():
            own = self._core.generators[b]
            # A reset with a seed has replaced the member's generator.
            if b not in self._generators or self._generators[b][0] is not own:
                self._generators[b] = (own, own.spawn(1)[0])
            result.append(self._generators[b][1])
        return result


def _require_beliefs(core: Core) -> None:
    if core.task.decides_paths:
        raise InvalidInput(
            f"{core.task.name} decides paths, so that branch must be given peek=True: beliefs are "
            "tracked by intervals, of whose requests operators have seen there only those served."
        )
    if core.config.demand is not None and core.config.demand.requests:
        raise InvalidInput(
            "demand has recorded requests, so that branch must be given peek=True: no operator "
            "knows those to come, and there is no law to imagine others by."
        )


class Branching:
    """The planning interface that single and vector environments share.

    Attributes:
        core: Episodes of the environment.
    """

    core: Core
    _branches: Branches

    def _is_closed(self) -> bool:
        raise NotImplementedError

    def track_belief(self) -> None:
        """Keeps track, from now on, of what an operator believes of the hidden part.

        `branch` needs it unless it peeks. Call it before a reset, or right after one: episodes that
        are further on are tracked from their next start. An environment that was not told so
        spends nothing on it. Snapshots and copies of the environment hold the belief; after
        restoring a snapshot without it, nothing is believed of these members until they start anew.

        Raises:
            InvalidInput: In an environment that decides paths, or whose requests are recorded.
        """
        self._branches.track_belief()

    def branch(
        self, futures: int, members: Any = None, *, peek: bool = False, seed: int | None = None
    ) -> Model:
        """A model of the present episodes to plan on, with independent futures.

        Every row has the present of its member and another key of all randomness to come. The
        part of the present that no operator knows (hidden losses and misalignments, drift, fog,
        faults without alarm and the ends of all, bursts, the hot spot) is drawn from what the
        operator has seen, see `qkd_gym.belief`. The environment's own episodes and generators
        are not touched: they go on as if nobody had planned.

        Args:
            futures: Rows per member.
            members: Indices of the members; None for all, of which a single environment has one.
            peek: Keeps the true hidden state instead, which no operator knows: for bounds and
                tests, not for policies that are compared with others. In environments that decide
                paths it includes the requests still to come in the present interval, and recorded
                requests are the same in every future.
            seed: Seed of the imagined futures: the same gives the same, also of other presents.
                None goes on with a generator per member which is spawned from the member's own,
                so that a reset with a seed repeats the plans too; snapshots do not hold it.

        Returns:
            A model of len(members) * futures rows, those of the first member first. The model of
            the last call for as many rows is used again, and what it held is lost.

        Raises:
            InvalidInput: On a value outside its range, or without peeking in an environment that
                decides paths or whose requests are recorded.
            ResetNeeded: Before the first reset, or if the belief has not been tracked from the
                start of an episode.
            ClosedEnvironmentError: If the environment has been closed.
        """
        core = self.core
        require_integer("futures", futures, 1, _MOST_ROWS)
        chosen = read_members("members", members, core.batch, distinct=False)
        require_integer("futures", futures, 1, _MOST_ROWS // len(chosen))
        require_flag("peek", peek)
        seed = read_seed("seed", seed)
        if self._is_closed() or not core.generators:
            raise not_ready(self._is_closed())
        return self._branches.branch(int(futures), chosen, bool(peek), seed)
