"""Every feature, column by column, against its definition on the simulator's state.

The columns are numbered here, so exchanging two names in `qkd_gym.features` fails, as does writing
one feature into the place of another.
"""

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym  # noqa: F401
from qkd_gym.envs.tasks import LINK_ACTIVATION, NETWORK
from qkd_gym.features import (
    CONTEXT_FEATURES,
    LINK_FEATURES,
    NODE_FEATURES,
    PATH_FEATURES,
    REQUEST_FEATURES,
)

BATCH = 24
# Free-space links, faults, calibration, and pools that fill and empty.
SETTINGS = {
    "scenario": "metro-attacked",
    "bank_size": 4,
    "outages_per_link_minute": 1 / 300,
    "load": 1.5,
    "clear_s": 1200.0,
    "site_misalignment": 0.02,
    "max_hops": 3,  # so that some requests have fewer candidate paths
    "service_classes": [
        {"name": "patient", "share": 0.6, "size": 0.5, "value": 4.0, "patience_s": 300.0},
        {"name": "bulk", "share": 0.4, "size": 2.0},
    ],
}


class Moment:
    """Vector environments some random steps into their episodes, and what they know."""

    def __init__(self, env_id, seed):
        env = gym.make_vec(env_id, num_envs=BATCH, **SETTINGS).unwrapped
        rng = np.random.default_rng(seed)
        self.obs, info = env.reset(seed=seed)
        choices = env.task.actions(self.obs["links"].shape[1], env.config.candidate_paths)
        for _ in range(int(rng.integers(20, 60))):
            parts = np.split(info["action_mask"], np.cumsum(choices)[:-1], axis=1)
            legal = [(rng.random(part.shape) * part).argmax(axis=1) for part in parts]
            actions = np.stack(legal, axis=1).reshape(env.action_space.shape)
            self.obs, _, _, _, info = env.step(actions)
        self.env, self.sim, self.config = env, env.core.simulator, env.config
        self.state, self.bank, self.params = self.sim.state, self.sim.bank, self.sim.params[0]
        self.network = self.state.episodes["network"]
        self.real = self.obs["link_mask"].astype(bool)
        self.facts = self.bank.links[self.network]
        self.ends = self.bank.link_endpoints[self.network].astype(int)
        self.topologies = [self.sim.networks.topology(g) for g in self.network]
        self.hourly = 3600.0 / self.config.pool_capacity_bits

    def link(self, name):
        return self.state.links[name].astype(np.float64)

    def site(self, name):
        return self.state.sites[name].astype(np.float64)

    def of_site(self, value):
        return np.array([value(topology) for topology in self.topologies])

    @property
    def fill(self):
        return self.link("pool") / self.config.pool_capacity_bits

    @property
    def need_bps(self):
        share = 1.0 + self.link("freshness") * (self.link("observed_rate") - 1.0)
        unmet = np.where(share > 0.1, self.link("demand_average") * (1.0 - self.fill), 0.0)
        return unmet + self.link("blocked_average")

    @property
    def is_protected(self):
        return self.link("running_time_s") < self.config.calibration_s + self.config.dwell_s

    def released(self, b, site):
        """The link that a site without a free module gives up, None if it has one."""
        here = [e for e in np.flatnonzero(self.link("active")[b]) if site in self.ends[b, e]]
        if len(here) < self.config.modules_per_site:
            return None
        return min(here, key=lambda e: (self.is_protected[b, e], self.need_bps[b, e], e))

    def over_ends(self, value):
        """Sum over the full ends of every inactive link of what the site's release is worth."""
        total = np.zeros(self.real.shape)
        for b, e in zip(*np.nonzero(self.real & (self.link("active") == 0.0)), strict=True):
            gone = [self.released(b, site) for site in self.ends[b, e]]
            total[b, e] = sum(value(b, link) for link in gone if link is not None)
        return total

    # The waiting request.

    @property
    def requests(self):
        members, episodes = np.arange(BATCH), self.state.episodes
        new = episodes["cursor"] - episodes["n_held"]
        held = self.sim.arrays.waiting[members, np.minimum(episodes["cursor"], 63)]
        return np.where(new < 0, held, self.state.requests[members, np.maximum(new, 0)])

    def candidates(self, b):
        """Links of the candidate paths of member b's request."""
        i, j = self.requests["first"][b], self.requests["second"][b]
        n = self.sim.n_sites
        row = [(v, w) for v in range(n) for w in range(v + 1, n)].index((i, j))
        g = self.network[b]
        hops = self.bank.path_hops[g, row]
        return [self.bank.path_links[g, row, k, : hops[k]] for k in range(len(hops)) if hops[k]]

    def holds(self, b, links, bits):
        return (self.link("pool")[b, links] >= bits).all()

    def length_km(self, b, links):
        return self.facts["length_km"][b, links].sum()

    def along(self, value):
        """A number per candidate path, zero where there is none; ``value(b, links, bits)``."""
        found = np.zeros((BATCH, self.config.candidate_paths))
        for b in range(BATCH):
            for k, links in enumerate(self.candidates(b)):
                found[b, k] = value(b, links, int(self.requests["bits"][b]))
        return found


def price(fill):
    return 1.0 + 10.0 * np.expm1(5.0 * (1.0 - fill)) / np.expm1(5.0)


NODES = [
    ("x", lambda m: m.of_site(lambda t: (t.positions_km - t.positions_km.mean(0))[:, 0]) / 50.0),
    ("y", lambda m: m.of_site(lambda t: (t.positions_km - t.positions_km.mean(0))[:, 1]) / 50.0),
    ("degree", lambda m: m.of_site(lambda t: np.bincount(t.link_endpoints.ravel())) / 8.0),
    ("betweenness", lambda m: m.of_site(lambda t: t.betweenness)),
    ("modules_used", lambda m: m.site("modules_used") / m.config.modules_per_site),
    ("demand_average", lambda m: np.log1p(m.hourly * m.site("demand_average"))),
    ("blocked_average", lambda m: np.log1p(m.hourly * m.site("blocked_average"))),
    (
        "endpoint",
        lambda m: np.array(
            [np.isin(np.arange(m.sim.n_sites), [r["first"], r["second"]]) for r in m.requests]
        ),
    ),
]
LINKS = [
    ("active", lambda m: m.link("active")),
    ("calibration_left", lambda m: m.link("calibration_left_s") / m.config.calibration_s),
    ("pool_fill", lambda m: m.fill),
    (
        "pool_cover",
        lambda m: (
            m.link("pool") / np.maximum(m.link("pool") + 1800.0 * m.link("demand_average"), 1.0)
        ),
    ),
    ("nominal_rate", lambda m: np.log1p(m.hourly * m.facts["nominal_rate_bps"])),
    ("observed_rate", lambda m: np.minimum(m.link("observed_rate"), 2.0)),
    ("observed_qber", lambda m: m.link("observed_qber")),
    ("freshness", lambda m: m.link("freshness")),
    ("demand_average", lambda m: np.log1p(m.hourly * m.link("demand_average"))),
    ("demand_now", lambda m: np.log1p(m.hourly * m.link("demand_now") / m.params["interval_s"])),
    ("blocked_average", lambda m: np.log1p(m.hourly * m.link("blocked_average"))),
    ("running_time", lambda m: 1.0 - np.exp(-m.link("running_time_s") / 600.0)),
    ("protected", lambda m: (m.link("active") > 0) & m.is_protected),
    (
        "no_key",
        lambda m: (
            (m.link("active") > 0) & (m.link("freshness") == 1.0) & (m.link("observed_rate") == 0.0)
        ),
    ),
    ("full_endpoints", lambda m: m.over_ends(lambda b, e: 0.5)),
    ("need", lambda m: np.log1p(m.hourly * m.need_bps)),
    ("release_need", lambda m: np.log1p(m.hourly * m.over_ends(lambda b, e: m.need_bps[b, e]))),
    ("length", lambda m: m.facts["length_km"] / 50.0),
    ("free_space", lambda m: m.facts["free_space"]),
]
CONTEXT = [
    ("time_of_day_sin", lambda m: m.state.episodes["day_sin"]),
    ("time_of_day_cos", lambda m: m.state.episodes["day_cos"]),
    (
        "elapsed",
        lambda m: m.state.episodes["interval"] * m.params["interval_s"] / m.config.episode_s,
    ),
    (
        "blocked_share",
        lambda m: m.site("blocked_average").sum(1) / m.site("demand_average").sum(1),
    ),
]
REQUEST = [
    (
        "size",
        lambda m: np.log1p(m.requests["bits"] / m.bank.networks["mean_request_bits"][m.network]),
    ),
    ("hops", lambda m: np.array([len((*m.candidates(b), ())[0]) for b in range(BATCH)]) / 10.0),
    (
        "feasible_paths",
        lambda m: m.along(m.holds).mean(1),
    ),
    # Offered bits are .3 and .8 of 1.1, so that the mean bit is worth 2 / 1.1.
    ("value", lambda m: np.array([4.0, 1.0])[m.requests["service"]] * 1.1 / 2.0),
    (
        "patience",
        lambda m: np.log1p(
            (m.requests["until"] - m.state.episodes["interval"]) * m.params["interval_s"] / 60.0
        ),
    ),
]
PATHS = [
    ("exists", lambda m: m.along(lambda b, links, bits: 1.0)),
    (
        "feasible",
        lambda m: m.along(lambda b, links, bits: (m.link("pool")[b, links] >= bits).all()),
    ),
    ("hops", lambda m: m.along(lambda b, links, bits: len(links) / 10.0)),
    (
        "length",
        lambda m: m.along(lambda b, links, bits: m.facts["length_km"][b, links].sum() / 50.0),
    ),
    ("bottleneck", lambda m: m.along(lambda b, links, bits: m.fill[b, links].min())),
    (
        "cover",
        lambda m: m.along(
            lambda b, links, bits: (
                m.link("pool")[b, links].min() / (m.link("pool")[b, links].min() + bits)
            )
        ),
    ),
    ("price", lambda m: m.along(lambda b, links, bits: np.log1p(price(m.fill[b, links]).sum()))),
    ("qber", lambda m: m.along(lambda b, links, bits: m.link("observed_qber")[b, links].mean())),
    ("active_share", lambda m: m.along(lambda b, links, bits: m.link("active")[b, links].mean())),
]
FIELDS = {
    "nodes": (NODE_FEATURES, NODES),
    "links": (LINK_FEATURES, LINKS),
    "context": (CONTEXT_FEATURES, CONTEXT),
    "request": (REQUEST_FEATURES, REQUEST),
    "paths": (PATH_FEATURES, PATHS),
}
COLUMNS = [
    pytest.param(field, column, id=f"{field}-{name}")
    for field, (_, definitions) in FIELDS.items()
    for column, (name, _) in enumerate(definitions)
]


@pytest.fixture(scope="module")
def moments():
    """The request is part of the observation only where paths are decided."""
    return [Moment(NETWORK.env_id, seed) for seed in (1, 2)]


@pytest.mark.parametrize(("field", "column"), COLUMNS)
def test_feature_is_its_definition(moments, field, column):
    names, definitions = FIELDS[field]
    name, definition = definitions[column]
    assert names[column] == name
    values = []
    for moment in moments:
        seen, expected = moment.obs[field][..., column], np.asarray(definition(moment))
        real = moment.real if field == "links" else np.ones(seen.shape, bool)
        np.testing.assert_allclose(seen[real], expected[real], rtol=2e-5, atol=2e-6)
        assert (seen[~real] == 0.0).all()
        values.append(seen[real])
    # A constant would tell nothing.
    assert np.ptp(np.concatenate(values)) > 0.0 or name == "free_space"


@pytest.mark.parametrize("field", FIELDS)
def test_names_come_in_the_order_that_trained_weights_hang_on(field):
    names, definitions = FIELDS[field]
    assert names == tuple(name for name, _ in definitions)


@pytest.mark.parametrize("field", FIELDS)
def test_no_two_features_are_alike(moments, field):
    """Else a definition could not tell one from the other."""
    names, _ = FIELDS[field]
    columns = np.concatenate([m.obs[field].reshape(-1, len(names)) for m in moments]).T
    for i in range(len(names)):
        for j in range(i):
            assert not np.allclose(columns[i], columns[j]), (names[i], names[j])


def test_free_space_links_are_marked():
    env = gym.make(LINK_ACTIVATION.env_id, scenario="hybrid")
    env.reset(seed=0)
    topologies = [env.unwrapped.core.simulator.networks.topology(g) for g in range(3)]
    assert any(topology.free_space.any() for topology in topologies)
