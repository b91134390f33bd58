"""Random configurations: each is a network that plays, or refused in one sentence."""

from __future__ import annotations

import dataclasses
import random
import resource
import time

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.network import NetworkConfig, available_scenarios, get_scenario
from qkd_gym.network.bank import shared_bank
from qkd_gym.network.scenarios import as_mapping

SEED, MUTANTS, PLAYED = 20, 20_000, 60
FIELDS = [field.name for field in dataclasses.fields(NetworkConfig)]
ODD = [
    *(None, True, False, 0, 1, -1, 2, 6, 0.5, 1.0, -0.0, 1e-9, 1e-320, 1e9, 1e300, -1e308),
    *(float("nan"), float("inf"), 10**30, -(10**400), 2**63, 1j, b"1", "1", "-3.5", "", "x" * 5000),
    *("nan", "\0", "\n\x1b[31m", "madrid", "reference", "test", "../../etc/passwd", [], {}, [[]]),
    *([1.0], [None], {"a": 1}, ("spdc",), ["spdc", "cv-metro"], {"spdc"}, object(), float),
    *(np.float32(0.25), np.int64(3), np.uint8(7), np.bool_(True), np.ones(2), np.array(1.5)),
    *(np.array("x"), np.nan, range(3), lambda: 1),
]


def near(value, rng):
    """Another value of the same kind, most of them within their range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return rng.choice(ODD)
    factor = rng.choice((0, 0.01, 0.1, 0.5, 1.5, 3, 10, 1000, 1e6, -1))
    return int(value * factor) if isinstance(value, int) else value * factor


def mutant(rng):
    values = {} if rng.random() < 0.5 else as_mapping(get_scenario(rng.choice(SCENARIOS)))
    defaults = as_mapping(NetworkConfig())
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        name = rng.choice(FIELDS)
        match rng.randrange(8):
            case 0 | 1:
                values[name] = rng.choice(ODD)
            case 2:
                values[rng.choice((name[:-1], name.upper(), name + "s", "", 3, None))] = 1
            case 3:
                values.pop(name, None)
            case 4:
                values[name] = rng.choice((str, repr, lambda value: [value]))(defaults.get(name))
            case _:
                values[name] = near(defaults.get(name), rng)
    return values


SCENARIOS = available_scenarios()


def attempt(function, *arguments):
    """What a function returns, or None if it refuses its arguments, in one sentence."""
    try:
        return function(*arguments)
    except InvalidInput as error:
        text = str(error)
    assert len(text) <= 300, text
    assert text.isprintable(), text
    assert text[-1] in ".?", text
    return None


def play(env_id, config, seed):
    """Plays three steps; one of the things that only a network tells is refused."""
    env = gym.make(env_id, scenario=config).unwrapped
    env.reset(seed=seed)
    for _ in range(3):
        observation, reward, _, over, _ = env.step(env.action_space.sample())
        if over:
            env.reset()
    assert observation in env.observation_space, config
    assert np.isfinite(reward), config
    return True


@pytest.mark.slow
def test_random_configurations_play_or_are_refused_in_one_sentence():
    """The small ones of those that are accepted are played, up to `PLAYED` of them."""
    rng, accepted, small = random.Random(SEED), 0, []
    for _ in range(MUTANTS):
        config = attempt(NetworkConfig.from_mapping, mutant(rng))
        if config is None:
            continue
        accepted += 1
        is_small = config.n_sites <= 20 and config.bank_size <= 64
        if is_small and len(small) < PLAYED and rng.random() < 0.05:
            small.append(config)
    assert MUTANTS / 10 < accepted < MUTANTS * 9 / 10
    assert len(small) == PLAYED
    ids = [task.env_id for task in TASKS.values()]
    for env_id in ids:  # compiles
        play(env_id, NetworkConfig(bank_size=1), 0)
    before, played = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for number, config in enumerate(small):
        start_s = time.process_time()
        played += attempt(play, ids[number % 3], config, number) is not None
        assert time.process_time() - start_s < 5.0, config
        shared_bank.cache_clear()
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 500
    assert played > PLAYED / 2
