"""Measures everything in one run: ``python -m speed`` (``--help`` for parts of it)."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from functools import partial
from typing import Any

from speed import environments, fresh, peers, report
from speed.clock import cartpole_steps_per_cpu_s, in_turns

YARDSTICK = "CartPole-v1"
VECTORS = (16, 64, 256, 1024)
THREADED = (256, 1024)
SIZES = (10, 20, 50, 100, 250)
DENSE_SIZES = (10, 20, 50, 100, 250)


def _vector_name(num_envs: int) -> str:
    return f"`gym.make_vec`, {num_envs} environments"


def processor() -> str:
    """Name of the processor and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        name = names[0] if names else name
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def measure(largest: int, *, training: bool, with_peers: bool) -> dict[str, Any]:
    """All figures."""
    results: dict[str, Any] = {"processor": processor(), "load": os.getloadavg()[0]}
    measures: dict[str, Callable[[], float]] = {
        YARDSTICK: cartpole_steps_per_cpu_s,
        "`gym.make`, single": environments.single_env,
        "the same without Gymnasium's wrappers": partial(environments.single_env, wrapped=False),
        **{_vector_name(n): partial(environments.vector_env, n) for n in VECTORS},
    }
    try:
        import qkd_gym.sb3  # noqa: F401
    except ImportError as missing:
        print(f"The adapter to Stable-Baselines3 is left out: {missing}")
    else:
        measures["`QKDVecEnv` and `VecMonitor`, 64 environments"] = environments.adapter
    rates = in_turns(measures)
    results["cartpole_steps_per_cpu_s"] = rates.pop(YARDSTICK)
    results["steps_per_cpu_s"] = rates
    results["vector"] = {str(n): rates[_vector_name(n)] for n in VECTORS}
    results["reset_us"] = environments.reset_us()
    results["threads_wall_steps_per_s"] = {str(n): environments.thread_scaling(n) for n in THREADED}
    results["import_cpu_s"] = fresh.import_cpu_s()
    results["first_step_cpu_s"] = fresh.first_step_cpu_s()
    results["memory"] = fresh.memory()
    results["scaling"] = {
        "degree 4": environments.scaling(tuple(n for n in SIZES if n <= largest), "clustered"),
        "degree 8 to 139": environments.scaling(
            tuple(n for n in DENSE_SIZES if n <= largest), "source-study"
        ),
    }
    if training:
        try:
            from speed.training import measure as measure_training
        except ImportError as missing:
            print(f"Training is left out: {missing}")
        else:
            results["training"] = measure_training()
    if with_peers:
        results["peers"] = peers.measure()
    return results


def main() -> None:
    """Parses the command line, measures and writes."""
    parser = argparse.ArgumentParser(prog="python -m speed", description=__doc__)
    parser.add_argument("--largest", type=int, default=250, help="sites of the largest network")
    parser.add_argument("--no-training", action="store_true", help="leave training out")
    parser.add_argument("--no-peers", action="store_true", help="leave other packages out")
    arguments = parser.parse_args()
    results = measure(
        arguments.largest, training=not arguments.no_training, with_peers=not arguments.no_peers
    )
    report.write(results)
    print(report.table(results))
    print("Written: docs/speed.json, docs/speed.png and the tables of README.md and docs/speed.md")


if __name__ == "__main__":
    main()
