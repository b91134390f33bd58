"""Tunes rules for settings, and plays them and agents there on the same held-out episodes."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from qkd_gym import __version__
from qkd_gym.baselines import make_policy
from qkd_gym.baselines.agents import REHEARSING
from qkd_gym.baselines.portfolio import choose_schedule
from qkd_gym.benchmark.tuning import choose, current_parameters, tune
from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.intervals import Interval, bootstrap_interval, interval_over_both
from qkd_gym.files import write_json
from qkd_gym.network.scenarios import as_mapping
from qkd_gym.reading import read_json
from qkd_gym.scoring import ScoredSchedule, load_schedule, shipped_schedule
from qkd_gym.scoring.agents import PREFIX
from qkd_gym.scoring.episodes import Episodes
from studies.settings import AGENTS, RULES, Comparison, Setting, Tuning

# Rows besides the agents.
FIXED, SEARCHED = "rule as tuned for metro", "searched on metro"
Shares = NDArray[np.float64]  # of episodes, or of training seeds and episodes


class Tuned(msgspec.Struct, forbid_unknown_fields=True):
    """A tuned rule, as its file keeps it.

    Attributes:
        key: Changes with whatever it hangs on.
        parameters: Its parameters.
        training_share: Mean delivered share on the training episodes that decided.
        cpu_s: CPU seconds of the tuning.
    """

    key: str
    parameters: dict[str, float]
    training_share: float
    cpu_s: float


class RuleUnit(NamedTuple):
    """A rule to tune for a setting.

    Attributes:
        label: Name of the setting.
        setting: The setting.
        rule: Name of the rule.
        tuning: For how long.
        folder: Where tuned rules lie.
    """

    label: str
    setting: Setting
    rule: str
    tuning: Tuning
    folder: Path

    @property
    def file(self) -> Path:
        """Of the tuned rule."""
        return self.folder / f"{self.label} {self.rule}.json".replace(" ", "-").replace(":", "-")

    @property
    def key(self) -> str:
        """Changes with whatever the parameters hang on."""
        starts = [current_parameters(self.rule, name) for name in (None, self.setting.scenario)]
        config = as_mapping(self.setting.config("train"))
        facts = repr([__version__, self.rule, config, self.tuning, starts])
        return hashlib.sha256(facts.encode()).hexdigest()

    def finished(self) -> Tuned | None:
        """The file, if it is there and of all that it hangs on today.

        Raises:
            InvalidInput: If it is damaged.
        """
        found = read_json(self.file, Tuned, "tuned rule") if self.file.exists() else None
        return found if found is not None and found.key == self.key else None

    def read(self) -> Tuned:
        """The file of what is finished."""
        found = self.finished()
        assert found is not None
        return found


def rule_units(study: Comparison, folder: Path) -> list[RuleUnit]:
    """All rules to tune."""
    return [
        RuleUnit(label, setting, rule, study.tuning, folder)
        for label, setting in study.settings.items()
        for rule in RULES
    ]


def tune_rule(unit: RuleUnit) -> None:
    """Tunes, as ``qkd-gym tune`` does, and writes the file."""
    since = time.process_time()
    told, network = unit.tuning, {"scenario": unit.setting.scenario, **unit.setting.changes}
    trials = tune(
        unit.rule,
        episodes=told.episodes,
        trials=told.trials,
        sweeps=told.sweeps,
        journal=unit.file.with_suffix(".jsonl"),
        **network,
    )
    chosen = choose(unit.rule, trials=trials, episodes=told.decision_episodes, **network)
    share = chosen.default_share + chosen.gain.mean
    tuned = Tuned(unit.key, chosen.parameters, share, time.process_time() - since)
    write_json(unit.file, msgspec.to_builtins(tuned))


class PlayUnit(NamedTuple):
    """A setting to play.

    Attributes:
        setting: The setting.
        episodes: Held-out episodes.
        tuned: Rules that were tuned for it.
        schedules: Files of schedules that were searched on metro.
    """

    setting: Setting
    episodes: int
    tuned: Mapping[str, Tuned]
    schedules: Sequence[Path]


class Played(NamedTuple):
    """What was delivered in a setting.

    Attributes:
        rule: The tuned rule that did best in training.
        rule_shares: What it delivered in every episode.
        chosen: The schedule that the portfolio chose.
        shares: What all others delivered.
    """

    rule: str
    rule_shares: Shares
    chosen: str
    shares: dict[str, Shares]


def play_setting(unit: PlayUnit) -> Played:
    """Plays all policies on the same held-out episodes."""
    config, count = unit.setting.config("test"), unit.episodes
    episodes = Episodes(config, count)
    episodes.start(HELD_OUT_SEED)
    best = max(unit.tuned, key=lambda rule: unit.tuned[rule].training_share)

    def of_rule(policy: Any) -> Shares:
        played = evaluate(policy, None, count, HELD_OUT_SEED, scenario=config)
        return played.metrics["delivered_share"]

    agents: dict[str, ScoredSchedule] = {
        name: REHEARSING[name].choose(config) if name in REHEARSING else shipped_schedule(name)
        for name in AGENTS
    }
    searched = [load_schedule(path, "searched") for path in unit.schedules]
    shares = {
        FIXED: of_rule(make_policy(RULES[0], scenario="metro")),
        SEARCHED: np.array([episodes.shares(one.weights) for one in searched]),
        **{PREFIX + name: episodes.shares(agent.weights) for name, agent in agents.items()},
    }
    rule_shares = of_rule(make_policy(best, **unit.tuned[best].parameters))
    return Played(best, rule_shares, choose_schedule(config).name, shares)


def figures(study: Comparison, played: Sequence[Played]) -> dict[str, Any]:
    """Everything that the page says of a comparison, as plain values.

    Args:
        study: The comparison.
        played: What was delivered in every setting.
    """
    points = [
        {name: 100.0 * (shares - one.rule_shares) for name, shares in one.shares.items()}
        for one in played
    ]
    names = list(points[0])
    return {
        "episodes": study.episodes,
        "tuning": dataclasses.asdict(study.tuning),
        "settings": {
            label: {
                "rule": one.rule,
                "delivered_share": float(one.rule_shares.mean()),
                "chosen": one.chosen,
                "points": {name: _interval(of_one[name]) for name in names},
            }
            for label, one, of_one in zip(study.settings, played, points, strict=True)
        },
        # Episodes of different settings are not paired, so that any order will do.
        "mean": {
            name: _interval(np.mean([of_one[name] for of_one in points], axis=0)) for name in names
        },
    }


def _interval(points: Shares) -> Interval:
    return bootstrap_interval(points) if points.ndim == 1 else interval_over_both(points)
