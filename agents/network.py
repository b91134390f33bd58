"""Agents that decide, at every request, its path and a link to switch."""

from qkd_gym.sb3.recipe import Recipe

_PPO = {"n_steps": 50, "batch_size": 800, "n_epochs": 2, "gamma": 0.99, "gae_lambda": 0.9}

RECIPES = {
    "pointer": Recipe(
        pointer=True,
        total_timesteps=128_000,
        teacher="demand-deficit+exponential-price",
        imitation_rounds=6,
        learning_rate=5e-4,
        ppo=_PPO,
    ),
    "ppo": Recipe(pointer=False, total_timesteps=64_000, ppo=_PPO),
}
