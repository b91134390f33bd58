"""The reward: its terms, each with a name and a weight in the configuration.

Accounts become further terms by `NetworkConfig.reward_weights`. Any other one is a field of
`RewardTerms`, its expression in `reward_terms`, and a weight in `NetworkConfig` that
`state.kernel_params` passes on. All are then part of the reward and of ``info["reward_terms"]``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_known_keys, require_number, shown
from qkd_gym.jit import inlined
from qkd_gym.network.accounts import ACCOUNT, ACCOUNT_NAMES, LEVELS


class RewardTerms(NamedTuple):
    """Terms of the reward of one step, signed and weighted; the reward is their sum."""

    key: float
    """``key_weight`` x delivered key / mean offered key of a step, a bit counting as much as its
    service class is worth over the mean offered bit."""
    qber: float
    """-``qber_weight`` x mean QBER of the delivered key / QBER threshold; 0 if there is none."""


REWARD_TERMS = RewardTerms._fields

ACCOUNT_TERM = np.dtype(
    [
        ("account", "i8"),  # its column
        ("weight", "f8"),
        ("is_bits", "i8"),  # 1 for bits, 0 for a count
    ]
)

Weights = tuple[tuple[str, float], ...]  # by account

# What a step leaves behind is no flow: it would count again at every step.
_WEIGHED = tuple(name for name in ACCOUNT_NAMES if name not in LEVELS)
_MOST_WEIGHT = 1e6


def read_weights(weights: Any) -> Weights:
    """Weights of accounts from what a user or a file gives.

    Args:
        weights: A mapping of accounts to weights, or the pairs of one.

    Raises:
        InvalidInput: If it is anything else, names no account of a flow, or a weight is out of
            range.
    """
    try:
        given = dict(weights)
    except (TypeError, ValueError):
        raise InvalidInput(
            f"reward_weights is {shown(weights)}, but must be a mapping of accounts to weights."
        ) from None
    require_known_keys("reward_weights", given, _WEIGHED)
    for name, weight in given.items():
        require_number(f"reward_weights[{name!r}]", weight, -_MOST_WEIGHT, _MOST_WEIGHT)
    return tuple((name, float(weight)) for name, weight in given.items())


def term_names(weights: Weights) -> tuple[str, ...]:
    """Names of all terms of the reward, in their order."""
    return (*REWARD_TERMS, *dict(weights))


def account_terms(weights: Weights) -> NDArray[np.void]:
    """The weighed accounts as the kernel reads them, (W,) ACCOUNT_TERM."""
    terms = np.zeros(len(weights), ACCOUNT_TERM)
    for term, (name, weight) in zip(terms, weights, strict=True):
        term["account"], term["weight"] = ACCOUNT_NAMES.index(name), weight
        term["is_bits"] = name.endswith("_bits")
    return terms


@inlined
def mean_offered_bits(network: np.record, p: np.record) -> float:
    """Key that is asked for in a mean step."""
    return network.mean_request_bits if p.decides_paths else network.mean_offered_bps * p.interval_s


@inlined
def account_term(term: np.record, accounts: np.ndarray, mean_bits: float) -> float:
    """A weighed account of one step, ACCOUNT_TERM; bits over those offered in a mean step."""
    return term.weight * accounts[term.account] / (mean_bits if term.is_bits else 1.0)


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
    delivered_bits = accounts[ACCOUNT.delivered_bits]
    qber = 0.0
    if delivered_bits > 0:
        qber = -p.qber_weight * episode.relative_qber_bits / delivered_bits
    key = p.key_weight * (episode.delivered_value_bits / mean_offered_bits(network, p))
    return RewardTerms(key=key, qber=qber)
