"""Learns whom to attack: a linear score of what is public, by CMA-ES against a rule that defends.

It starts as the opponent `busiest`. Run it with ``python examples/learned_opponent.py``; a minute.
"""

from __future__ import annotations

import cmaes
import numpy as np

from qkd_gym.evaluation import evaluate
from qkd_gym.opponents import register_opponent

DEFENDER = "demand-deficit"
BUSIEST = np.array([1.0, 0.0, 0.0, 0.0, 0.0])


class Linear:
    """Attacks the open links with the largest weighted sum of five features."""

    def __init__(self):
        self.weights = BUSIEST

    def predict(self, view):
        """A number per link, (n, E)."""
        features = np.stack(
            [
                np.log1p(view.traffic_bps) / 10.0,
                view.key_rate_bps > 0.0,
                np.log1p(view.key_rate_bps) / 10.0,
                np.sqrt(view.betweenness),
                np.minimum(view.lit_s / 3600.0, 1.0),
            ],
            axis=-1,
        )
        score = (features * self.weights).sum(axis=-1)
        return score - score.min(axis=1, keepdims=True) + 1.0  # above zero: the budget is used up


LINEAR = Linear()
register_opponent("linear", LINEAR)


def delivered(opponent, split, seed, episodes, **network):
    """Mean delivered share of the defender."""
    settings = {"scenario": "metro", "split": split, "opponent": opponent, **network}
    return evaluate(DEFENDER, None, episodes, seed, **settings).mean()


def learn(generations=12, population=8, episodes=24, **network):
    """Weights with which the defender delivers least; every generation plays new episodes."""
    search = cmaes.CMA(mean=BUSIEST, sigma=0.5, population_size=population, seed=0)
    for generation in range(generations):
        results = []
        for _ in range(population):
            LINEAR.weights = search.ask()
            share = delivered("linear", "train", generation * episodes, episodes, **network)
            results.append((LINEAR.weights, share))
        search.tell(results)
    LINEAR.weights = search.mean
    return search.mean


if __name__ == "__main__":
    print("weights", learn(bank_size=16).round(2))
    for name in ("", "random", "betweenness", "busiest", "linear"):
        share = delivered(name, "test", 1_000_000, 64, bank_size=16)
        print(f"{name or 'no opponent':12} {DEFENDER} delivers {share:.4f}")
