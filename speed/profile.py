"""Where the time of a step of LinkActivation goes: ``python -m speed.profile``.

Replays the steps of `qkd_gym.envs.transition.play` with the processor's time-stamp counter
read between the phases. The fastest of many repetitions counts, phase by phase.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import gymnasium as gym
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

import qkd_gym  # noqa: F401  registers the environments
from qkd_gym.envs.observation import _write_context, _write_links, _write_nodes
from qkd_gym.network.compiled.jit import fill
from qkd_gym.network.dynamics.demand import draw_requests
from qkd_gym.network.dynamics.disturbance import advance_drift, advance_faults, advance_weather
from qkd_gym.network.dynamics.generation import generate
from qkd_gym.network.dynamics.relay import price_links, settle
from qkd_gym.network.dynamics.step import account, average_demand
from qkd_gym.network.dynamics.switching import toggle
from qkd_gym.network.state import LINK_ROW, POOL_ROW

PHASES = (
    "switch a link",
    "drift",
    "weather, outages, attacks",
    "key generation",
    "requests",
    "prices of the links",
    "routing and key relay",
    "demand averages, accounts",
    "observation: sites",
    "observation: links",
    "observation: context",
)
REPETITIONS = 40


@intrinsic
def _cycles(typing_context: Any) -> Any:
    """The processor's time-stamp counter."""

    def generate_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = builder.module.declare_intrinsic(
            "llvm.readcyclecounter", (), ir.FunctionType(ir.IntType(64), ())
        )
        return builder.call(counter, ())

    return types.int64(), generate_code


@njit(error_model="numpy")
def replay(steps, s, bank, params, work, o, actions, spent):  # type: ignore[no-untyped-def]
    """Adds the cycles of each phase to ``spent``."""
    p = params[0]
    for step in range(steps):
        for b in range(len(s.episodes)):
            episode = s.episodes[b]
            n_links = bank.networks[episode.network].n_links
            fill(s.accounts[b], 0, s.accounts.shape[1], 0)
            episode.qber_bits, episode.relative_qber_bits = 0.0, 0.0
            t0 = _cycles()
            toggle(s, bank, p, b, actions[step % len(actions), b], work.rows[0])
            t1 = _cycles()
            fill(s.links[b, LINK_ROW.demand_now], 0, s.links.shape[2], 0.0)
            fill(s.links[b, LINK_ROW.blocked_now], 0, s.links.shape[2], 0.0)
            advance_drift(s, bank, p, b, work)
            t2 = _cycles()
            advance_weather(s, bank, p, b)
            advance_faults(s, bank, p, b)
            t3 = _cycles()
            generate(s, bank, p, b, work)
            t4 = _cycles()
            draw_requests(s, bank, p, b, work)
            episode.interval += 1
            t5 = _cycles()
            price_links(s.pools[b, POOL_ROW.pool], n_links, p.capacity, work)
            t6 = _cycles()
            while episode.cursor < episode.n_requests:
                settle(s, bank, p, b, -1, work)
            t7 = _cycles()
            average_demand(s, bank, p, b)
            account(s, bank, p, b, 0)
            t8 = _cycles()
            _write_nodes(o, s, bank, p, b)
            t9 = _cycles()
            _write_links(o, s, bank, p, b, work)
            t10 = _cycles()
            _write_context(o, s, bank, p, b)
            t11 = _cycles()
            marks = (t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11)
            for k in range(11):
                spent[k] += marks[k + 1] - marks[k]


def profile(num_envs: int) -> dict[str, float]:
    """Nanoseconds of each phase per step of one environment."""
    env: Any = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=num_envs).unwrapped
    env.reset(seed=0)
    core = env.core
    sim = core.simulator
    links = int(sim.bank.networks["n_links"][sim.state.episodes["network"]].min())
    actions = np.random.default_rng(0).integers(links, size=(64, num_envs))
    arguments = (sim.arrays, sim.bank, sim.params, sim.work, core.frame.buffer, actions)
    steps = max(1, 2000 // num_envs)
    best = np.full(len(PHASES), np.inf)
    cycles_per_ns = 0.0
    for repetition in range(REPETITIONS + 1):
        spent = np.zeros(len(PHASES), np.int64)
        start = time.perf_counter()
        replay(steps, *arguments, spent)
        if repetition > 0:  # the first one compiles
            best = np.minimum(best, spent)
            cycles_per_ns = max(cycles_per_ns, spent.sum() / (time.perf_counter() - start) / 1e9)
    return dict(zip(PHASES, best / steps / num_envs / cycles_per_ns, strict=True))


def main() -> None:
    """Prints the phases, the dearest first."""
    parser = argparse.ArgumentParser(prog="python -m speed.profile", description=__doc__)
    parser.add_argument("--num-envs", type=int, default=256)
    phases = profile(parser.parse_args().num_envs)
    total = sum(phases.values())
    for name, spent_ns in sorted(phases.items(), key=lambda item: -item[1]):
        print(f"{name:28s} {spent_ns:8.0f} ns {spent_ns / total:6.1%}")
    print(f"{'together':28s} {total:8.0f} ns")


if __name__ == "__main__":
    main()
