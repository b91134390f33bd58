"""Agents that decide which links run.

`pointer` scores every link by shared weights on the pretrained viability network. It imitates
the strongest baseline first and improves on it by reinforcement learning from there. The
discount and the advantage's decay are per decision interval of 30 seconds.
"""

from agents.recipe import Recipe

RECIPES = {
    "pointer": Recipe(
        pointer=True,
        total_timesteps=500_000,
        teacher="demand-deficit",
        imitation_rounds=8,
        learning_rate=3e-3,
        ppo={
            "n_steps": 50,
            "batch_size": 800,
            "n_epochs": 2,
            "gamma": 0.97,
            "gae_lambda": 0.9,
            "ent_coef": 0.001,
        },
    ),
    "ppo": Recipe(
        pointer=False,
        total_timesteps=64_000,
        ppo={"n_steps": 50, "batch_size": 800, "n_epochs": 3, "gamma": 0.97, "gae_lambda": 0.9},
    ),
}
