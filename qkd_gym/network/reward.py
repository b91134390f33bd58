"""The reward: its terms, each with a name and a weight in the configuration.

A further term is a field of `RewardTerms`, its expression in `reward_terms`, and a weight in
`NetworkConfig` that `state.kernel_params` passes on. It is then part of the reward and of
``info["reward_terms"]``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT


class RewardTerms(NamedTuple):
    """Terms of the reward of one step, signed and weighted; the reward is their sum."""

    key: float
    """``key_weight`` x delivered key / mean offered key of a step, a bit counting as much as its
    service class is worth over the mean offered bit."""
    qber: float
    """-``qber_weight`` x mean QBER of the delivered key / QBER threshold; 0 if there is none."""


REWARD_TERMS = RewardTerms._fields


@inlined
def reward_terms(
    accounts: np.ndarray, episode: np.record, network: np.record, p: np.record
) -> RewardTerms:
    """The terms of one step.

    Args:
        accounts: Accounts of the step, (len(ACCOUNT_NAMES),).
        episode: EPISODE record after the step.
        network: NETWORK record of its network.
        p: From `state.kernel_params`.
    """
    mean_offered_bits = network.mean_offered_bps * p.interval_s
    if p.decides_paths:
        mean_offered_bits = network.mean_request_bits
    delivered_bits = accounts[ACCOUNT.delivered_bits]
    qber = 0.0
    if delivered_bits > 0:
        qber = -p.qber_weight * episode.relative_qber_bits / delivered_bits
    key = p.key_weight * (episode.delivered_value_bits / mean_offered_bits)
    return RewardTerms(key=key, qber=qber)
