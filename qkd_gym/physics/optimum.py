"""Best settings of a source that have a closed form or a simple equation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_flag
from qkd_gym.physics.entropy import MAX_ERROR_CORRECTION, binary_entropy
from qkd_gym.physics.numerics import F64, bisect, checked, require_broadcast


def efficient_sifting(key_basis_probability: ArrayLike, both_bases: bool = False) -> F64:
    """Share of clicks that become key when both parties choose the key basis with probability p.

    That is p^2, or p^2 + (1 - p)^2 where bits of both bases make key.

    Raises:
        InvalidInput: If p is outside [0, 1].
    """
    require_flag("both_bases", both_bases)
    p = checked("key_basis_probability", key_basis_probability, 0.0, 1.0)
    return np.asarray(p**2 + (1.0 - p) ** 2 * both_bases)


def optimal_mean_photon_number(
    misalignment: ArrayLike, error_correction_efficiency: ArrayLike
) -> F64:
    """Optimal mean photon number mu for infinite decoys where loss is high and noise negligible.

    Solves (1 - mu) exp(-mu) = f h(e_d) / (1 - h(e_d)). Zero where no key is possible.

    Args:
        misalignment: Error probability e_d in [0, 1/2].
        error_correction_efficiency: Bits revealed per bit of entropy, f in [1, 100]; broadcasts.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.

    Source: Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005), Eq. 12.
    """
    entropy = binary_entropy(checked("misalignment", misalignment, 0.0, 0.5))
    f = checked(
        "error_correction_efficiency", error_correction_efficiency, 1.0, MAX_ERROR_CORRECTION
    )
    require_broadcast({"misalignment": entropy, "error_correction_efficiency": f})
    goal = f * entropy / np.maximum(1.0 - entropy, 1e-300)
    return bisect(lambda mu: (1.0 - mu) * np.exp(-mu) > goal, 0.0, 1.0)[0]
