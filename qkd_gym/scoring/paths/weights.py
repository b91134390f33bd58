"""The weights of a scorer of paths."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from qkd_gym.scoring.paths.inputs import PATH_INPUT, PATH_INPUT_NAMES, PRICED_NAMES
from qkd_gym.scoring.weights import F32

# The logarithm of the exponential prices of the built-in router, nearly, as a polynomial of what a
# pool lacks, and what a price of one costs a request: both were chosen on training episodes.
_LACK, _LACK_LACK = -0.14, 2.54
_POOL_WEIGHT = 0.12


class PathWeights(NamedTuple):
    """Weights of a scorer with G inputs per link, F per path, and H hidden units.

    The price of a link's key is the exponential of a linear function of the link's inputs. A path's
    score is a linear function of its inputs and of the hidden units, less the logarithm of the
    summed prices of its links.
    """

    price: F32  # (G,) of a link's key
    score: F32  # (F,) of a path
    hidden: F32  # (H, F), units max(0, .)
    hidden_score: F32  # (H,)


def starting_weights(hidden: int = 0, seed: int = 0) -> PathWeights:
    """Nearly the rule that a request is worth its path's exponential prices or is refused.

    Args:
        hidden: Hidden units, random and not yet counted.
        seed: Of their draws.
    """
    rng, f = np.random.default_rng(seed), len(PATH_INPUT_NAMES)
    price, score = np.zeros(len(PRICED_NAMES), np.float32), np.zeros(f, np.float32)
    for name, weight in (("lack", _LACK), ("lack_lack", _LACK_LACK)):
        price[PRICED_NAMES.index(name)] = weight
    score[PATH_INPUT.value] = 1.0
    score[PATH_INPUT.one] = -math.log(_POOL_WEIGHT)
    return PathWeights(
        price=price,
        score=score,
        hidden=rng.normal(0.0, f**-0.5, (hidden, f)).astype(np.float32),
        hidden_score=np.zeros(hidden, np.float32),
    )
