"""Episodes with known truth for the tests of beliefs."""

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401
from qkd_gym.baselines import make_policy

ACTIVATION = "qkd_gym/LinkActivation-v0"


def tracked(scenario, batch, steps, seed=0, **overrides):
    """A batch that the rule has played for some intervals, with its belief."""
    env = gym.make_vec(ACTIVATION, num_envs=batch, scenario=scenario, **overrides)
    env.track_belief()
    observation, _ = env.reset(seed=seed)
    rule = make_policy("demand-deficit")
    for _ in range(steps):
        observation = env.step(rule.predict(observation)[0])[0]
    return env


def network_of(env, member):
    """Number of links and their sites, (E, 2)."""
    sim = env.core.simulator
    g = int(sim.state.episodes["network"][member])
    n_links = int(sim.bank.networks["n_links"][g])
    return n_links, sim.bank.link_endpoints[g, :n_links].astype(int)


def delivered(model, steps):
    """Bits that the rule delivers in every row."""
    rule, total = make_policy("demand-deficit"), np.zeros(model.rows)
    for _ in range(steps):
        model.step(rule.predict(model.observe())[0])
        total += model.info()["delivered_bits"]
    return total
