"""Agent recipes: algorithm, policy and hyperparameters of each trained agent."""

from agents import link_activation, network, routing
from qkd_gym.sb3.recipe import Recipe

RECIPES: dict[str, dict[str, Recipe]] = {
    "LinkActivation": link_activation.RECIPES,
    "Routing": routing.RECIPES,
    "Network": network.RECIPES,
}

__all__ = ["RECIPES", "Recipe"]
