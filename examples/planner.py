"""Plans each decision by trying actions on imagined futures, and acts on the best of them.

Every candidate meets the same futures, so that what differs is what it does. After its first action
a rule goes on alone. Run it with ``python examples/planner.py``; an episode takes a minute.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np

import qkd_gym  # noqa: F401  (registers the environments)
from qkd_gym.baselines import make_policy
from qkd_gym.features import LINK

FUTURES, INTERVALS, MOST_NEEDED = 24, 60, 5


def plan(env, rule, obs):
    """The action with the best mean of delivered key, if it clearly leads the rule's own."""
    own, _ = rule.predict(obs)
    wanted = obs["links"][:, LINK.need] * (1.0 - obs["links"][:, LINK.active])
    hold = len(wanted)
    candidates = list(dict.fromkeys([int(own), hold, *np.argsort(-wanted)[:MOST_NEEDED].tolist()]))
    model = env.unwrapped.branch(FUTURES)
    present = model.snapshot()
    delivered = np.zeros((len(candidates), FUTURES))
    for total, action in zip(delivered, candidates, strict=True):
        model.restore(present)
        actions = np.full(FUTURES, action)
        for _ in range(INTERVALS):
            model.step(actions)
            total += model.info()["delivered_bits"]
            actions, _ = rule.predict(model.observe())
    lead = delivered - delivered[0]
    score = lead.mean(axis=1) - 1.5 * lead.std(axis=1) / np.sqrt(FUTURES)
    return candidates[int(score.argmax())]


def play(scenario="metro", seed=0, decisions=None):
    """Delivered share of the offered key of an episode, or of its first decisions."""
    env = gym.make("qkd_gym/LinkActivation-v0", scenario=scenario, split="test")
    env.unwrapped.track_belief()
    rule = make_policy("demand-deficit", scenario=scenario)
    obs, _ = env.reset(seed=seed)
    delivered, offered, step, over = 0, 0, 0, False
    while not over and step != decisions:
        obs, _, _, over, info = env.step(plan(env, rule, obs))
        delivered += info["delivered_bits"]
        offered += info["offered_bits"]
        step += 1
    return delivered / max(offered, 1)


if __name__ == "__main__":
    print(f"delivered {play():.3f} of the offered key")
