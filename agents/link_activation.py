"""Agents that decide which links run.

`pointer` starts as the strongest baseline, made random, and learns what to add to its scores of
the links, which it sees through the pretrained viability network. Its rewards are relative to that
baseline's on the same episodes: what both gain or lose by the luck of demand and faults cancels,
which quarters the variance of fifteen steps' rewards.
"""

from qkd_gym.sb3.recipe import Recipe

RECIPES = {
    "pointer": Recipe(
        pointer=True,
        total_timesteps=800_000,
        adviser="demand-deficit",
        rival="demand-deficit",
        learning_rate=8e-3,
        reward_scale=0.2,
        ppo={
            "n_steps": 50,
            "batch_size": 800,
            "n_epochs": 3,
            "gamma": 0.98,
            "gae_lambda": 0.95,
        },
    ),
    "ppo": Recipe(
        pointer=False,
        total_timesteps=64_000,
        ppo={
            "n_steps": 100,
            "batch_size": 1600,
            "n_epochs": 2,
            "gamma": 0.98,
            "gae_lambda": 0.95,
        },
    ),
}
