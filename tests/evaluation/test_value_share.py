"""The share of the offered value that is delivered, against single steps."""

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.evaluation import compare, evaluate
from qkd_gym.evaluation.report import comparison_table

CLASSES = [
    {"name": "rekey", "share": 0.5, "size": 0.5, "value": 4.0, "patience_s": 300.0},
    {"name": "bulk", "share": 0.5, "size": 2.0},
]
SMALL = {"n_sites": 10, "bank_size": 2, "episode_s": 5400.0, "load": 2.5}
ROUTING = "qkd_gym/Routing-v0"
NAMES = ("offered_bits", "delivered_bits", "offered_value_bits", "delivered_value_bits")


@pytest.mark.parametrize("env_id", [ROUTING, "qkd_gym/LinkActivation-v0"])
def test_totals_are_those_of_the_single_environment(env_id):
    policy = make_policy("exponential-price" if env_id == ROUTING else "static-plan")
    result = evaluate(policy, env_id, episodes=2, seed=3, service_classes=CLASSES, **SMALL)
    env = gym.make(env_id, split="test", service_classes=CLASSES, **SMALL)
    for i, row in enumerate(result.rows()):
        obs, _ = env.reset(seed=row["seed"])
        totals, over = dict.fromkeys(NAMES, 0.0), False
        while not over:
            obs, _, _, over, info = env.step(policy.predict(obs)[0])
            for name in NAMES:
                totals[name] += info[name]
        for name in NAMES:
            assert result.totals[name][i] == pytest.approx(totals[name], rel=1e-12)
        value = totals["delivered_value_bits"] / totals["offered_value_bits"]
        assert row["value_share"] == pytest.approx(value)
        assert row["value_share"] != pytest.approx(row["delivered_share"], abs=1e-3)
        assert result.totals["waiting_bits"][i] == info["waiting_bits"]


def test_without_classes_value_is_key_and_totals_are_as_before():
    result = evaluate("exponential-price", ROUTING, episodes=2, **SMALL)
    value, delivered = result.metrics["value_share"], result.metrics["delivered_share"]
    np.testing.assert_array_equal(value, delivered)
    assert not {"waiting_bits", *NAMES[2:]} & set(result.totals)


def test_policies_are_compared_by_value():
    """Of two policies, the one that keeps key for the dear requests delivers less of it."""

    class Picky:
        def predict(self, obs, state=None, episode_start=None, deterministic=True):
            actions, _ = make_policy("exponential-price").predict(obs)
            refuse = obs["action_mask"].shape[1] - 1
            return np.where(obs["request"][:, 3] > 1.0, actions, refuse), state

    settings = {"episodes": 3, "service_classes": [{**CLASSES[0], "value": 50.0}, CLASSES[1]]}
    results = {
        "all": evaluate("exponential-price", ROUTING, **settings, **SMALL),
        "picky": evaluate(Picky(), ROUTING, **settings, **SMALL),
    }
    shares = {name: result.mean("delivered_share") for name, result in results.items()}
    assert shares["picky"] < shares["all"]
    rows = compare(results)
    assert [row.policy for row in rows] == ["picky", "all"]
    table = comparison_table(rows)
    assert "value share" in table
    assert f"{results['picky'].mean('value_share'):.4f}" in table
