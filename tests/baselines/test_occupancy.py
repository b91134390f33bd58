"""The compiled gains against their definitions, of every layout of the observations."""

import dataclasses

import numpy as np
import pytest

from qkd_gym.baselines import activation
from qkd_gym.baselines.activation import DemandDeficit, MaxWeight
from qkd_gym.baselines.occupancy import gains, released
from qkd_gym.features import LINK, LINK_FEATURES, NODE, NODE_FEATURES, RUNNING_SCALE_S

SITES, LINKS, REAL, BATCH = 7, 15, 13, 40


def draw(rng):
    """Observations whose needs have few different values, so that there are ties."""
    links = rng.random((BATCH, LINKS, len(LINK_FEATURES)), dtype=np.float32)
    links[..., LINK.need] = rng.integers(0, 4, (BATCH, LINKS)) / 4
    links[..., LINK.protected] = rng.random((BATCH, LINKS)) < 0.2
    links[..., LINK.active] = rng.random((BATCH, LINKS)) < 0.4
    links[rng.random((BATCH, LINKS)) < 0.2, LINK.demand_average] = 0.0
    links[rng.random((BATCH, LINKS)) < 0.2, LINK.nominal_rate] = 0.0
    links[:, REAL:] = 0.0
    nodes = np.zeros((BATCH, SITES, len(NODE_FEATURES)), np.float32)
    nodes[..., NODE.modules_used] = rng.choice([0.5, 1.0], (BATCH, SITES), p=[0.4, 0.6])
    ends = np.stack([rng.permutation(SITES)[:2] for _ in range(BATCH * LINKS)])
    ends = ends.reshape(BATCH, LINKS, 2)
    ends[:, REAL:] = 0
    mask = rng.random((BATCH, LINKS + 1)) < 0.8
    mask[:, REAL:LINKS] = False
    return {"links": links, "nodes": nodes, "link_endpoints": ends, "action_mask": mask}


def first_to_go(links, nodes, ends, site):
    """By definition: sorted by protection, need, then number."""
    here = [e for e in range(LINKS) if links[e, LINK.active] and site in ends[e]]
    if nodes[site, NODE.modules_used] < 1.0 or not here:
        return LINKS
    return min(here, key=lambda e: (links[e, LINK.protected], links[e, LINK.need], e))


def gain_by_definition(obs, score, price, dwell_s):
    """Scores less prices, (B, E), and what goes, (B, E, 2)."""
    links, nodes, ends = obs["links"], obs["nodes"], obs["link_endpoints"]
    goes = np.array(
        [
            [
                [first_to_go(links[b], nodes[b], ends[b], v) for v in ends[b, e]]
                for e in range(LINKS)
            ]
            for b in range(BATCH)
        ]
    )
    ran_s = -RUNNING_SCALE_S * np.log(1.0 - links[..., LINK.running_time].astype(np.float64))
    price = np.where(ran_s < dwell_s, np.inf, price)
    padded = np.pad(price, ((0, 0), (0, 1)))
    gain = score - padded[np.arange(BATCH)[:, None, None], goes].sum(axis=-1)
    legal = obs["action_mask"][:, :-1] & (links[..., LINK.active] < 0.5)
    return np.where(legal, gain, -np.inf), goes


def deficit_by_definition(rule, links):
    """The score of the demand-deficit rule in numpy's own functions."""
    column = {name: links[..., i].astype(np.float64) for i, name in enumerate(LINK_FEATURES)}
    demand, blocked = np.expm1(column["demand_average"]), np.expm1(column["blocked_average"])
    relative = 1.0 + column["freshness"] * (column["observed_rate"] - 1.0)
    rate = np.expm1(column["nominal_rate"]) * np.maximum(relative, 0.0)
    fill, cover = column["pool_fill"], column["pool_cover"]
    lacking = 1.0 - ((1.0 - rule.cover_weight) * fill + rule.cover_weight * cover)
    unmet = demand**rule.demand_power * rate**rule.rate_power * lacking
    served = np.minimum(1.0, rate / np.maximum(demand, 1e-9))
    return np.where(relative > rule.rate_gate, unmet, 0.0) + rule.kappa * blocked * served


@pytest.mark.parametrize("seed", range(3))
def test_compiled_gains_are_the_definition(seed):
    rng = np.random.default_rng(seed)
    obs, dwell_s = draw(rng), [0.0, 200.0, 600.0][seed]
    score, price = rng.random((2, BATCH, LINKS))
    expected, goes = gain_by_definition(obs, score, price, dwell_s)
    networks = obs["links"], obs["nodes"], obs["link_endpoints"]
    np.testing.assert_array_equal(released(*networks), goes)
    found = gains(*networks, obs["action_mask"], score, price, dwell_s)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert 0.2 < np.mean(goes == LINKS) < 0.8


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"demand_power": 0.75, "rate_power": 0.0, "kappa": 2.0, "dwell_s": 360.0},
        {"demand_power": 0.33, "rate_power": 1.7, "rate_gate": 0.6, "cover_weight": 0.8},
    ],
)
def test_the_demand_deficit_rule_is_its_definition(settings):
    rule = DemandDeficit(**settings)
    obs = draw(np.random.default_rng(5))
    score = deficit_by_definition(rule, obs["links"])
    np.testing.assert_allclose(rule.score(obs)[:, :REAL], score[:, :REAL], rtol=1e-9, atol=1e-12)
    price = (1.0 + rule.hysteresis) * score
    expected, _ = gain_by_definition(obs, score, price, rule.dwell_s)
    gain = rule.gain(obs, obs["action_mask"])
    np.testing.assert_allclose(gain, expected, rtol=1e-9, atol=1e-12)
    # As the environments lay links out: feature by feature, with room between networks.
    roomy = np.zeros((BATCH, len(LINK_FEATURES), LINKS + 3), np.float32)
    roomy[..., :LINKS] = obs["links"].transpose(0, 2, 1)
    strided = {**obs, "links": roomy[..., :LINKS].transpose(0, 2, 1)}
    np.testing.assert_array_equal(rule.gain(strided, obs["action_mask"]), gain)


def test_the_demand_deficit_rule_decides_as_any_scored_rule(monkeypatch):
    rule, obs = DemandDeficit(least_gain=0.1), draw(np.random.default_rng(6))
    own = rule(obs, obs["action_mask"])
    monkeypatch.setattr(DemandDeficit, "gain", activation.ScoredActivation.gain)
    np.testing.assert_array_equal(rule(obs, obs["action_mask"]), own)
    assert len(set(own.tolist())) > 5
    held = dataclasses.replace(MaxWeight(), least_gain=1e9)(obs, obs["action_mask"])
    assert (held == LINKS).all()
