"""The QBER of a pool is that of the key in it."""

import numpy as np
import pytest

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION

CALM = {
    "drift_std": 0.0, "outages_per_link_minute": 0.0, "attacks_per_link_minute": 0.0,
    "fog_loss_db": 0.0, "bank_size": 1,
}  # fmt: skip
BATCH = 4


@pytest.mark.parametrize("load", [0.5, 2.0])
def test_pool_qber_is_the_mean_over_what_was_stored(load):
    """Mixing weighs by bits: q' = (pool q + kept E) / (pool + kept); taking key changes nothing."""
    core = Core("metro", {**CALM, "load": load, "pool_capacity_bits": 12_000_000}, BATCH,
                LINK_ACTIVATION)  # fmt: skip
    core.generators = [np.random.default_rng([5, b]) for b in range(BATCH)]
    core.start()
    links, rng = core.simulator.state.links, np.random.default_rng(0)
    full = 0
    for _ in range(40):
        # Without drift of its own, a link keeps the one that it is given here.
        links["drift"][:] = rng.uniform(0.0, 0.05, links["drift"].shape)
        qber = core.simulator.true_links()[1]
        pool, before = links["pool"].copy(), links["pool_qber"].astype(np.float64)
        stored = links["stored_ever"].copy()
        core.step(np.full(BATCH, core.simulator.max_links))
        kept = links["stored_ever"] - stored
        expected = (pool * before + kept * qber) / np.maximum(pool + kept, 1)
        some = kept > 0
        assert some.sum() > BATCH
        np.testing.assert_allclose(links["pool_qber"][some], expected[some], rtol=2e-5)
        np.testing.assert_array_equal(links["pool_qber"][~some], before[~some])
        full += (pool + kept == 12_000_000).sum()
    assert full > 0 or load > 1.0
