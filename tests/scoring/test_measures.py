"""Every input of a scorer against its definition, computed from the observation alone."""

import numpy as np
import pytest

from qkd_gym.features import CONTEXT, LINK, NODE, SETTING
from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.weights import starting_weights
from tests.scoring.observations import observed, scored

PRODUCTS = {
    "lack_detour": ("lack", "detour"),
    "lack_detour_demand": ("lack", "detour_demand"),
    "lack_detour_rate": ("lack", "detour_rate"),
    "lack_demand": ("lack", "demand"),
    "lack_rate": ("lack", "rate"),
    "lack_site_blocked": ("lack", "site_blocked"),
    "lack_scarcity": ("lack", "scarcity"),
    "lack_lack": ("lack", "lack"),
    "demand_rate": ("demand", "rate"),
    "blocked_rate": ("blocked", "rate"),
    "demand_age": ("demand", "age"),
    "site_rate_age": ("site_rate", "age"),
    "site_error_age": ("site_error", "age"),
    "network_rate_age": ("network_rate", "age"),
}
FEATURES = {
    "demand": LINK.demand_average,
    "demand_now": LINK.demand_now,
    "blocked": LINK.blocked_average,
    "length": LINK.length,
    "running": LINK.running_time,
    "calibrating": LINK.calibration_left,
}


def round_the_link(values, ends):
    """Of the links that lead from one end to the other over one site: the lesser, the best pair."""
    by_ends = {frozenset(map(int, end)): value for end, value in zip(ends, values, strict=True)}
    sites = {int(v) for v in ends.ravel()}
    return np.array(
        [
            max(
                min(by_ends.get(frozenset({end, w}), 0.0) for end in (u, v)) for w in sites - {u, v}
            )
            for u, v in ends.astype(int).tolist()
        ]
    )


def definitions(observation):
    """The inputs by name, in double precision, as their docstrings say."""
    count = int(observation["link_mask"].sum())
    links = observation["links"][:count].astype(np.float64)
    nodes = observation["nodes"].astype(np.float64)
    ends = observation["link_endpoints"][:count]
    setting = observation["setting"].astype(np.float64)
    fresh, fill = links[:, LINK.freshness], links[:, LINK.pool_fill]
    seen = 1.0 + fresh * (links[:, LINK.observed_rate] - 1.0)
    works = seen > 0.1
    at_site = np.array([fill[(ends == v).any(axis=1)].sum() for v in range(len(nodes))])
    at_ends = [(ends == v).any(axis=1) for v in range(len(nodes))]
    weight = np.array([0.5 + fresh[here].sum() for here in at_ends])

    def of_sites(values):
        return np.array([(fresh * values)[here].sum() for here in at_ends]) / weight

    rates = of_sites(links[:, LINK.observed_rate] - 1.0)
    errors = of_sites(links[:, LINK.observed_qber])
    calibration_h = (np.exp(setting[SETTING.calibration]) - 1.0) / 60.0
    episode_h = np.exp(setting[SETTING.episode]) - 1.0
    left_h = (1.0 - observation["context"][CONTEXT.elapsed]) * episode_h
    rate = np.maximum(seen, 0.0) * np.expm1(links[:, LINK.nominal_rate])
    inputs = {
        "one": 1.0,
        "detour": round_the_link(fill, ends),
        "detour_demand": round_the_link(links[:, LINK.demand_average], ends),
        "detour_rate": round_the_link(np.log1p(rate) * links[:, LINK.active], ends),
        "blocked_share": observation["context"][CONTEXT.blocked_share],
        "lack": (1.0 - fill) * works,
        "empty": np.exp(-8.0 * fill) * works,
        "uncovered": (1.0 - links[:, LINK.pool_cover]) * works,
        "rate": np.log1p(rate),
        "age": 1.0 - fresh,
        "error": links[:, LINK.observed_qber] * fresh,
        "site_demand": nodes[ends, NODE.demand_average].sum(axis=1),
        "site_blocked": nodes[ends, NODE.blocked_average].sum(axis=1),
        "scarcity": (1.0 / (1.0 + at_site))[ends].sum(axis=1),
        "site_rate": rates[ends].mean(axis=1),
        "site_error": errors[ends].mean(axis=1),
        "network_rate": rates[weight > 0.5].mean(),
        "end": calibration_h / (calibration_h + left_h) if calibration_h > 0.0 else 0.0,
        "calibration": setting[SETTING.calibration],
        "interval": setting[SETTING.interval],
        "modules": setting[SETTING.modules],
        "pool": setting[SETTING.pool],
    }
    inputs |= {name: links[:, feature] for name, feature in FEATURES.items()}
    inputs |= {name: inputs[one] * inputs[other] for name, (one, other) in PRODUCTS.items()}
    return {name: np.broadcast_to(values, count) for name, values in inputs.items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"calibration_s": 0.0, "n_sites": 13, "modules_per_site": 3},
        {"site_misalignment": 0.04, "outages_per_link_minute": 0.02},
    ],
    ids=["metro", "instant", "faults"],
)
def test_inputs_are_what_their_names_say(changes):
    varied = {name: set() for name in INPUT_NAMES}
    for steps in (0, 40, 90):
        observation = {name: array[0] for name, array in observed(steps, **changes).items()}
        found = scored(starting_weights(), observation).inputs
        expected = definitions(observation)
        assert set(expected) == set(INPUT_NAMES)
        for name, values in zip(INPUT_NAMES, found, strict=True):
            np.testing.assert_allclose(values, expected[name], rtol=2e-5, atol=2e-6, err_msg=name)
            varied[name] |= set(np.round(expected[name], 6).tolist())
    # An input that is zero throughout would say nothing about its definition.
    silent = {name for name, values in varied.items() if values == {0.0}}
    of_instant = {"end", "calibration", "calibrating"}
    assert silent == (of_instant if changes.get("calibration_s") == 0.0 else set())
