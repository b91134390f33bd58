"""Every invariant under random actions in random scenarios of everything at once."""

import pytest
from random_scenarios import MEMBERS, STEPS, play


@pytest.mark.parametrize("seed", range(100, 106))
def test_no_invariant_is_violated(seed):
    steps, _ = play(seed, 40)
    assert steps == 40 * MEMBERS


@pytest.mark.slow
def test_a_million_steps_violate_no_invariant():
    played = [play(seed, STEPS) for seed in range(98)]
    assert sum(steps for steps, _ in played) >= 1_000_000
    assert sum(struck for _, struck in played) > 500_000
