"""Peers from PyPI on the same machine: environments per step, simulators per second of a link.

Each is left out, with a line that says so, where it is not installed:

    pip install jumanji minigrid highway-env qns sequence
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from speed.clock import fastest

STEPS = 500


def minigrid() -> dict[str, float]:
    """MiniGrid-FourRooms-v0, single, random actions."""
    import gymnasium as gym
    import minigrid  # noqa: F401

    return {"steps_per_cpu_s": _random_steps(gym.make("MiniGrid-FourRooms-v0"), 2000)}


def highway() -> dict[str, float]:
    """highway-fast-v0, single, random actions."""
    import gymnasium as gym
    import highway_env  # noqa: F401

    return {"steps_per_cpu_s": _random_steps(gym.make("highway-fast-v0"), 60)}


def jumanji() -> dict[str, float]:
    """Connector-v3, 64 environments that restart by themselves, compiled by JAX, random actions."""
    import jax
    import jumanji as package
    from jumanji.wrappers import AutoResetWrapper

    env = AutoResetWrapper(package.make("Connector-v3"))
    key = jax.random.PRNGKey(0)
    state, _ = jax.jit(jax.vmap(env.reset))(jax.random.split(key, 64))
    spec = env.action_spec

    @jax.jit
    def roll(state, key):  # type: ignore[no-untyped-def]
        def one(carry, key):  # type: ignore[no-untyped-def]
            state, seen = carry
            action = jax.random.randint(key, (64, *spec.shape), 0, spec.num_values)
            state, timestep = jax.vmap(env.step)(state, action)
            # What nobody reads is not computed.
            seen += sum(leaf.sum() for leaf in jax.tree.leaves(timestep))
            return (state, seen), None

        return jax.lax.scan(one, (state, 0.0), jax.random.split(key, STEPS))[0]

    seconds = fastest(lambda: jax.block_until_ready(roll(state, key)))
    return {"steps_per_cpu_s": STEPS * 64 / seconds}


def simqn() -> dict[str, float]:
    """SimQN: BB84 over one link, simulated photons per CPU-second."""
    from qns.entity.cchannel.cchannel import ClassicChannel
    from qns.entity.node.node import QNode as Node
    from qns.entity.qchannel.qchannel import QuantumChannel
    from qns.network.protocol.bb84 import BB84RecvApp, BB84SendApp
    from qns.simulator.simulator import Simulator

    rate_hz, seconds = 1000, 4
    simulator = Simulator(0, seconds, accuracy=10_000_000_000)
    alice, bob = Node(name="alice"), Node(name="bob")
    quantum = QuantumChannel(name="quantum", delay=5e-5)
    classical = ClassicChannel(name="classical", delay=5e-5)
    for node in (alice, bob):
        node.add_cchannel(classical)
        node.add_qchannel(quantum)
    alice.add_apps(BB84SendApp(bob, quantum, classical, send_rate=rate_hz))
    bob.add_apps(BB84RecvApp(alice, quantum, classical))
    alice.install(simulator)
    bob.install(simulator)
    start = time.process_time()
    simulator.run()
    return {"photons_per_cpu_s": rate_hz * seconds / (time.process_time() - start)}


def sequence() -> dict[str, float]:
    """SeQUeNCe beside the package's exact sampling, see `speed.link_sampling`."""
    from speed.link_sampling import sample_links, sequence_link

    theirs, ours = sequence_link(), sample_links()
    return {
        "link_seconds_per_cpu_s": theirs["link_seconds_per_cpu_s"],
        "qkd_gym_link_seconds_per_cpu_s": ours["link_seconds_per_cpu_s"],
    }


def _random_steps(env, steps: int) -> float:  # type: ignore[no-untyped-def]
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(steps)]

    def play() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return steps / fastest(play)


PEERS: dict[str, Callable[[], dict[str, float]]] = {
    "MiniGrid FourRooms": minigrid,
    "highway-env fast": highway,
    "Jumanji Connector": jumanji,
    "SimQN BB84": simqn,
    "SeQUeNCe BB84": sequence,
}


def measure() -> dict[str, dict[str, float]]:
    """All peers that are installed."""
    results = {}
    for name, peer in PEERS.items():
        try:
            results[name] = {key: float(np.round(value, 4)) for key, value in peer().items()}
        except ImportError as missing:
            print(f"{name} is left out: {missing}")
    return results
