"""Agents that decide which links run.

`pointer` scores every link by shared weights on the pretrained viability network. It imitates
the strongest baseline first and improves on it by reinforcement learning from there. Pools hold
key for an hour or more, so the discount of .995 per decision of 30 seconds looks far ahead;
a discount of .97 lost more than two points of what imitation had given.
"""

from agents.recipe import Recipe

_PPO = {"n_steps": 100, "batch_size": 3200, "n_epochs": 2, "gamma": 0.995, "gae_lambda": 0.95}

RECIPES = {
    "pointer": Recipe(
        pointer=True,
        total_timesteps=400_000,
        teacher="demand-deficit",
        imitation_rounds=8,
        learning_rate=1e-3,
        ppo=_PPO,
    ),
    "ppo": Recipe(pointer=False, total_timesteps=64_000, ppo=_PPO),
}
