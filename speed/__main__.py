"""Measures everything in one run: ``python -m speed`` (``--help`` for parts of it)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from qkd_gym.commands import exit_status
from qkd_gym.errors import require_integer
from speed import environments, fresh, peers, report
from speed.clock import cartpole_steps_per_cpu_s, in_turns

YARDSTICK = "CartPole-v1"
VECTORS = (16, 64, 256, 1024)
THREADED = (256, 1024)
SIZES = (10, 20, 50, 100, 250)
# Networks that grow: what the plot calls them, and their topology.
SPARSE, DENSE = ("degree 4", "clustered"), ("degree 8 to 139", "source-study")
Results = dict[str, Any]
Section = Callable[[Results], Results]


def processor() -> str:
    """Name of the processor and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        name = names[0] if names else name
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def _vector_name(num_envs: int) -> str:
    return f"`gym.make_vec`, {num_envs} environments"


def steps(_: Results) -> Results:
    """Steps of environments, as ratios to CartPole's."""
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
    return {
        "cartpole_steps_per_cpu_s": rates.pop(YARDSTICK),
        "steps_per_cpu_s": rates,
        "vector": {str(n): rates[_vector_name(n)] for n in VECTORS},
        "reset_us": environments.reset_us(),
        "threads_wall_steps_per_s": {str(n): environments.thread_scaling(n) for n in THREADED},
    }


def processes(_: Results) -> Results:
    """What a fresh process pays."""
    return {
        "import_cpu_s": fresh.import_cpu_s(),
        "first_step_cpu_s": fresh.first_step_cpu_s(),
        "memory": fresh.memory(),
    }


def scaling(largest: int, _: Results) -> Results:
    """Growth of a step with the network."""
    sizes = tuple(n for n in SIZES if n <= largest)
    return {
        "scaling": {
            name: environments.scaling(sizes, topology) for name, topology in (SPARSE, DENSE)
        }
    }


def training(results: Results) -> Results:
    """Forms of training, and their growth with the network."""
    try:
        from speed.cores import worker_scaling
        from speed.training import compare, growth
    except ImportError as missing:
        print(f"Training is left out: {missing}")
        return {}
    name, topology = SPARSE
    return {
        "training": compare(),
        "training_scaling": {name: growth(results["scaling"][name], topology)},
        "training_steps_per_s": worker_scaling(),
        "training_peak_mb_1024": fresh.training_peak_mb(1024),
    }


def others(_: Results) -> Results:
    """Other packages."""
    return {"peers": peers.measure()}


def measure(sections: dict[str, Section]) -> Results:
    """All figures, section after section, each of which sees those before it."""
    results: Results = {"processor": processor(), "load": os.getloadavg()[0], "took_s": {}}
    took = published_s()
    known = [took[name] for name in sections if name in took]
    if known:
        print(f"Published figures took {sum(known) / 60:.0f} minutes on {took['processor']}.")
    for number, (name, section) in enumerate(sections.items(), 1):
        expected = f", {took[name] / 60:.1f} minutes then" if name in took else ""
        print(f"{number} of {len(sections)}: {name}{expected}", flush=True)
        start = time.perf_counter()
        results |= section(results)
        results["took_s"][name] = round(time.perf_counter() - start, 1)
    return results


def published_s() -> Results:
    """Seconds that each section took when docs/speed.json was written, and on what processor."""
    published = json.loads(report.JSON.read_text()) if report.JSON.exists() else {}
    return {**published.get("took_s", {}), "processor": published.get("processor")}


def main() -> None:
    """Parses the command line, measures and writes."""
    parser = argparse.ArgumentParser(prog="python -m speed", description=__doc__)
    parser.add_argument("--largest", type=int, default=250, help="sites of the largest network")
    parser.add_argument("--no-training", action="store_true", help="leave training out")
    parser.add_argument("--no-peers", action="store_true", help="leave other packages out")
    options = parser.parse_args()
    with exit_status("Nothing was written; start again."):
        require_integer("largest", options.largest, SIZES[0])
        sections: dict[str, Section] = {
            "steps of environments": steps,
            "fresh processes": processes,
            "growth with the network": partial(scaling, options.largest),
        }
        if not options.no_training:
            sections["training"] = training
        if not options.no_peers:
            sections["other packages"] = others
        report.write(measure(sections))
        print(
            "Written: docs/speed.json, docs/speed.png and the tables of README.md and docs/speed.md"
        )


if __name__ == "__main__":
    main()
