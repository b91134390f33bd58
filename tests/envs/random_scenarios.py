"""Random steps in random scenarios of everything at once, every invariant checked at each.

python tests/envs/random_scenarios.py --steps 1000000
"""

import argparse
import time

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import TASKS
from qkd_gym.network.config import OPPONENTS
from qkd_gym.network.faults import EFFECTS, PLACES, TARGETS

MEMBERS, STEPS = 32, 320  # of one scenario
IN_BLOCKS = "reference(decoy=one, block_size=1e7, sifting=0.81)"


def draw_fault(number, rng):
    """A fault of any kind; half of them are frequent."""
    effect = str(rng.choice(EFFECTS))
    fault = {
        "name": f"fault-{number}",
        "effect": effect,
        "strikes": str(rng.choice(PLACES)),
        "target": str(rng.choice(TARGETS)),
        str(rng.choice(["per_hour", "per_place_hour"])): float(10.0 ** rng.uniform(-2.0, 0.7)),
        "duration_min_s": float(rng.choice([0.0, 20.0, 600.0])),
        "duration_mean_s": float(rng.choice([10.0, 900.0, 5000.0])),
        "detection_s": rng.choice([None, 0.0, 45.0, 600.0]),
        "announced_s": float(rng.choice([0.0, 0.0, 1200.0])),
    }
    if effect == "eavesdropping":
        fault["intercepted_fraction"] = float(rng.choice([0.0, 0.1, 1.0]))
    if effect == "jamming":
        fault["stray_photons"] = float(rng.choice([1e-4, 1e-2, 10.0]))
    if effect == "ageing":
        fault["loss_db_per_hour"] = float(rng.choice([0.5, 50.0]))
    if effect == "compromise":
        fault["strikes"] = "site"
    return fault


def draw_scenario(rng):
    """Settings of an environment."""
    topology = str(rng.choice(["clustered", "clustered", "tokyo", "vienna", "madrid"]))
    settings = {
        "topology": topology,
        "bank_size": 2 if topology == "clustered" else 1,
        "bank_seed": int(rng.integers(1000)),
        "preset": str(rng.choice(["reference", "metro-1ghz", IN_BLOCKS])),
        "partial_blocks": str(rng.choice(["lost", "kept"])),
        "disjoint_paths": int(rng.choice([1, 1, 2, 3])),
        "opponent": str(rng.choice(["", "", *OPPONENTS])),
        "opponent_links": int(rng.integers(1, 5)),
        "faults": [draw_fault(i, rng) for i in range(int(rng.integers(0, 6)))],
        "modules_per_site": int(rng.integers(1, 5)),
        "switches_per_interval": int(rng.integers(1, 4)),
        "calibration_s": float(rng.choice([0.0, 45.0, 300.0])),
        "key_lifetime_s": float(rng.choice([0.0, 0.0, 400.0])),
        "pool_capacity_bits": int(rng.choice([100_000, 3_000_000, 30_000_000])),
        "initial_fill": float(rng.choice([0.0, 0.3, 1.0])),
        "load": float(rng.choice([0.5, 1.0, 3.0])),
        "outages_per_link_minute": float(rng.choice([0.0, 0.01])),
        "attacks_per_link_minute": float(rng.choice([0.0, 0.01])),
        "attack_target": str(rng.choice(["uniform", "central"])),
        "episode_s": float(rng.choice([600.0, 3600.0])),
        "reward_weights": {"exposed_bits": -0.1} if rng.random() < 0.3 else {},
    }
    if topology == "clustered":
        settings["n_sites"] = int(rng.integers(6, 16))
    if rng.random() < 0.5:
        settings["service_classes"] = [
            {"name": "patient", "share": 0.6, "size": 0.5, "value": 4.0, "patience_s": 300.0},
            {"name": "bulk", "share": 0.4, "size": 2.0},
        ]
    return settings


def draw_actions(env, masks, rng):
    """One action of every member: any at all, or a legal one."""
    if rng.random() < 0.2:
        return env.action_space.sample()
    choices = env.core.task.actions(env.core.simulator.max_links, env.config.candidate_paths)
    parts = np.split(masks, np.cumsum(choices)[:-1], axis=1)
    legal = [(rng.random(part.shape) * part).argmax(axis=1) for part in parts]
    return np.stack(legal, axis=1).reshape(env.action_space.shape)


def check(env, before, observations, rewards, over, infos):
    """Raises `AssertionError` unless a step keeps every promise, bit by bit."""
    sim = env.core.simulator
    state, on = sim.state, ~over
    made, gone = infos["generated_bits"], infos["overflow_bits"] + infos["expired_bits"]
    change = made - infos["consumed_bits"] - gone
    assert (infos["stored_bits"] - before["stored"] == change).all(), "key is not conserved"
    pool = state.links["pool"]
    assert (pool.sum(axis=1) == state.episodes["stored"]).all(), "pools are not what is stored"
    assert (infos["stored_bits"] == pool.sum(axis=1))[on].all(), "stored_bits are not the pools"
    assert pool.min() >= 0, "a pool is below nothing"
    assert pool.max() <= env.config.pool_capacity_bits, "a pool is above its capacity"
    decided = infos["delivered_bits"] + infos["blocked_bits"]
    waits = infos["waiting_bits"] - before["waiting"]
    assert (infos["offered_bits"] - decided == waits).all(), "demand is not conserved"
    assert (infos["consumed_bits"] >= infos["delivered_bits"]).all(), "key comes from nowhere"
    exposed = infos["exposed_bits"]
    assert (exposed >= 0).all(), "exposed key is below nothing"
    assert (exposed <= made - infos["overflow_bits"]).all(), "more key is exposed than stored"
    learnt = infos["compromised_bits"]
    assert ((learnt >= 0) & (learnt <= infos["delivered_bits"])).all(), "more is learnt than passes"
    terms = sum(infos["reward_terms"].values())
    assert np.allclose(rewards, terms, rtol=0.0, atol=1e-9), "terms do not add up to the reward"
    _check_modules(sim)
    _check_faults(env, observations)
    for name, values in observations.items():
        assert np.isfinite(values).all(), f"{name} is not finite"
        space = env.observation_space[name]
        if isinstance(space, gym.spaces.Box):
            assert (values >= space.low).all(), f"{name} is below its space"
            assert (values <= space.high).all(), f"{name} is above its space"


def _check_modules(sim):
    state, rows = sim.state, np.arange(len(sim.state.episodes))
    active = state.links["active"] > 0.0
    ends = sim.bank.link_endpoints[state.episodes["network"]]
    used = np.zeros((len(rows), sim.n_sites), np.int64)
    for side in (0, 1):
        np.add.at(used, (rows[:, None], ends[:, :, side]), active)
    assert used.max() <= sim.params["modules"][0], "a site has too many active links"
    assert (used == state.sites["modules_used"]).all(), "modules are miscounted"


def _check_faults(env, observations):
    """Struck links make no key in an outage; alarms are of events that last."""
    assert ("alarms" in observations) == bool(env.config.faults), "alarms without faults"
    if not env.config.faults:
        return
    sim = env.core.simulator
    state, bank = sim.state, sim.bank
    rate, qber = sim.true_links()
    assert (rate[state.struck["dark"] > 0.0] == 0.0).all(), "an outage leaves key"
    assert (rate >= 0.0).all(), "a rate is below nothing"
    assert (qber <= 0.5).all(), "a QBER is above one half"
    for name in ("scrambled", "alarm", "window", "exposed", "dark"):
        share = state.struck[name]
        assert ((share >= 0.0) & (share <= 1.0)).all(), f"{name} is no share"
    now_s = (state.episodes["interval"] * sim.params["interval_s"][0])[:, None]
    events = state.events
    lasts = events["until_s"] > now_s
    assert (events["onset_s"] < events["until_s"])[lasts].all(), "an event ends before it begins"
    late_s = bank.faults["detection_s"][events["fault"]]
    seen = lasts & (events["onset_s"] + late_s <= now_s)
    alarm = observations["alarms"][:, :, 0]
    places = bank.event_places[state.episodes["network"][:, None], events["fault"]]
    hit = (places == events["place"][:, :, None, None]).any(axis=2) & seen[:, :, None]
    hit &= observations["link_mask"][:, None, :] > 0
    assert (alarm == hit.any(axis=1)).all(), "alarms are not of the events that were detected"


def play(seed, steps):
    """Plays one random scenario; how many steps, and how many with a fault in progress."""
    rng = np.random.default_rng(seed)
    settings, task = draw_scenario(rng), TASKS[str(rng.choice(list(TASKS)))]
    env = gym.make_vec(task.env_id, num_envs=MEMBERS, **settings).unwrapped
    env.action_space.seed(seed)
    _, infos = env.reset(seed=seed)
    state, struck = env.core.simulator.state, 0
    for step in range(steps):
        before = {
            "stored": state.episodes["stored"].copy(),
            "waiting": state.episodes["waiting_bits"].copy(),
        }
        actions = draw_actions(env, infos["action_mask"], rng)
        observations, rewards, _, over, infos = env.step(actions)
        try:
            check(env, before, observations, rewards, over, infos)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, {task.name}, step {step}: {error}") from error
        now_s = state.episodes["interval"] * env.core.simulator.params["interval_s"][0]
        struck += int((state.events["until_s"] > now_s[:, None]).any(axis=1).sum())
    return steps * MEMBERS, struck


def main():
    """Plays as many steps as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begin, done, struck, seed = time.process_time(), 0, 0, options.seed
    while done < options.steps:
        played, of_them = play(seed, STEPS)
        done, struck, seed = done + played, struck + of_them, seed + 1
    cpu_s = time.process_time() - begin
    print(
        f"{done} steps in {seed - options.seed} scenarios, {struck} of them beside a fault, no "
        f"violation, {cpu_s:.0f} s of CPU time"
    )


if __name__ == "__main__":
    main()
