"""The compiled twin of the demand-deficit rule, against the rule itself on random states."""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.baselines.activation import DemandDeficit
from qkd_gym.bounds.rollout import RuleWeights, rule_score
from qkd_gym.bounds.search import rule_weights
from qkd_gym.jit import compiled

BATCH = 32


@compiled
def compiled_scores(s, bank, params, weights, scores):
    for b in range(len(scores)):
        facts = bank.links[s.episodes[b].network]
        for e in range(bank.networks[s.episodes[b].network].n_links):
            scores[b, e] = rule_score(s, facts[e], params[0], b, e, weights)


@pytest.mark.parametrize("seed", range(8))
def test_compiled_scores_are_the_rules(seed):
    rng = np.random.default_rng(seed)
    space = DemandDeficit.search_space()
    rule = DemandDeficit(**{name: float(rng.choice(values)) for name, values in space.items()})
    env = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=BATCH, bank_size=4, scenario="hidden")
    obs, _ = env.reset(seed=seed)
    for _ in range(int(rng.integers(1, 60))):
        mask = obs["action_mask"]
        obs = env.step((rng.random(mask.shape) * mask).argmax(axis=1))[0]
    sim = env.unwrapped.core.simulator
    scores = np.zeros(obs["link_mask"].shape)
    compiled_scores(sim.arrays, sim.bank, sim.params, rule_weights(rule), scores)
    real = obs["link_mask"].astype(bool)
    expected = rule.score(obs)
    np.testing.assert_allclose(scores[real], expected[real], rtol=2e-4, atol=1e-5)
    assert np.ptp(scores[real]) > 0.0


def test_weights_are_the_rules_parameters_by_name():
    weights = rule_weights(DemandDeficit(kappa=0.7, dwell_s=300.0))
    assert RuleWeights._fields == tuple(DemandDeficit.search_space())
    assert (weights.kappa, weights.dwell_s) == (0.7, 300.0)
