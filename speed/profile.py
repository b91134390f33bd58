"""Where the time of a step of LinkActivation goes: ``python -m speed.profile``.

With ``--training`` it says where the time of the recipe's training goes, see `speed.parts`.

Plays the parts of a step one after the other, each for the whole batch, and times each call. The
fastest of many repetitions counts, part by part, less what an empty call takes. The state of an
episode is then not in the processor's nearest cache when its next part comes, as it is in a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.envs.observe import _write_context, _write_links, _write_nodes
from qkd_gym.jit import TypedOnce, compiled_without_references
from qkd_gym.network.compiled.vectors import fill
from qkd_gym.network.dynamics.demand import draw_requests
from qkd_gym.network.dynamics.disturbance import advance_drift, advance_weather, strike
from qkd_gym.network.dynamics.generation import generate
from qkd_gym.network.dynamics.relay import BUILT_IN_ROUTER, price_links, serve_request
from qkd_gym.network.dynamics.step import account, average_demand
from qkd_gym.network.dynamics.switching import toggle
from qkd_gym.network.state import LINK_ROW, POOL_ROW

REPETITIONS = 40
PARTS: dict[str, Callable[..., Any]] = {}


def part(name: str) -> Callable[[Any], Any]:
    """Enters a function of the arguments below as a part of the step."""

    def enter(function: Any) -> Any:
        PARTS[name] = TypedOnce(compiled_without_references(function))
        return function

    return enter


@part("nothing")
def _nothing(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    return len(s.episodes)


@part("switch a link")
def _switch(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        fill(s.accounts[b], 0, s.accounts.shape[1], 0)
        s.episodes[b].qber_bits, s.episodes[b].relative_qber_bits = 0.0, 0.0
        toggle(s, bank, params[0], b, actions[b], work.rows[0])


@part("drift")
def _drift(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        fill(s.links[b, LINK_ROW.demand_now], 0, s.links.shape[2], 0.0)
        fill(s.links[b, LINK_ROW.blocked_now], 0, s.links.shape[2], 0.0)
        advance_drift(s, bank, params[0], b, work)


@part("weather, outages, attacks")
def _faults(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        advance_weather(s, bank, params[0], b)
        strike(s, bank, params[0], b, lasts=False)


@part("key generation")
def _generation(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        generate(s, bank, params[0], b, work)


@part("requests")
def _requests(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        draw_requests(s, bank, params[0], b, work)
        s.episodes[b].interval += 1


@part("prices, routing and key relay")
def _relay(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        n_links = bank.networks[s.episodes[b].network].n_links
        price_links(s.pools[b, POOL_ROW.pool], n_links, params[0].capacity, work)
        while s.episodes[b].cursor < s.episodes[b].n_requests:
            serve_request(s, bank, params[0], b, BUILT_IN_ROUTER, work)


@part("demand averages, accounts")
def _accounts(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        average_demand(s, bank, params[0], b)
        account(s, bank, params[0], b)


@part("observation: sites")
def _sites(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        _write_nodes(o, s, bank, params[0], b)


@part("observation: links")
def _links(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        _write_links(o, s, bank, params[0], b, work)


@part("observation: context")
def _context(s, bank, params, work, o, actions):  # type: ignore[no-untyped-def]
    for b in range(len(s.episodes)):
        _write_context(o, s, bank, params[0], b)


def profile(num_envs: int) -> dict[str, float]:
    """Nanoseconds of each part per step of one environment."""
    env: Any = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=num_envs).unwrapped
    env.reset(seed=0)
    sim = env.core.simulator
    links = int(sim.bank.networks["n_links"][sim.state.episodes["network"]].min())
    fixed = (sim.arrays, sim.bank, sim.params, sim.work, env.core.frame.buffer)
    steps = max(1, 2000 // num_envs)
    actions = np.random.default_rng(0).integers(links, size=(steps, num_envs))
    best_s = dict.fromkeys(PARTS, np.inf)
    for repetition in range(REPETITIONS + 1):
        spent_s = dict.fromkeys(PARTS, 0.0)
        for step in range(steps):
            for name, function in PARTS.items():
                start = time.perf_counter()
                function(*fixed, actions[step])
                spent_s[name] += time.perf_counter() - start
        if repetition > 0:  # the first one compiles
            best_s = {name: min(best_s[name], spent_s[name]) for name in PARTS}
    empty_s = best_s.pop("nothing")
    return {name: (s - empty_s) / steps / num_envs * 1e9 for name, s in best_s.items()}


def training_profile() -> dict[str, float]:
    """CPU nanoseconds of each part of the recipe's training per step of one environment."""
    from speed.forms import FORMS, SCENARIO
    from speed.training import Trial

    trial = Trial(FORMS["recipe"], SCENARIO)
    whole_ns = 1e9 / trial.turn()[0]
    return {name: share * whole_ns for name, share in trial.shares().items()}


def main() -> None:
    """Prints the parts, the dearest first."""
    parser = argparse.ArgumentParser(prog="python -m speed.profile", description=__doc__)
    parser.add_argument("--num-envs", type=int, default=256, help="environments of a step")
    parser.add_argument("--training", action="store_true", help="parts of training, not of a step")
    options = parser.parse_args()
    parts = training_profile() if options.training else profile(options.num_envs)
    total = sum(parts.values())
    for name, spent_ns in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{name:30s} {spent_ns:8,.0f} ns {spent_ns / total:6.1%}")
    print(f"{'together':30s} {total:8,.0f} ns")


if __name__ == "__main__":
    main()
