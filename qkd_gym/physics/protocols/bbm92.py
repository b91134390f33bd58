"""BBM92: BB84 with entangled pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.physics.detector import array_fields
from qkd_gym.physics.entropy import binary_entropy
from qkd_gym.physics.numerics import F64, checked, require_broadcast
from qkd_gym.physics.protocols.pairs import PairProtocol


@dataclass(frozen=True)
class BBM92(PairProtocol):
    """Both stations measure halves of down-converted pairs in one of two bases.

    The source may be in the eavesdropper's hands; multiple pairs cost errors, not security. The
    fields are those of `PairProtocol`. R = q Q [1 - (1 + f) h(E)].

    Sources: Bennett, Brassard, Mermin, PRL 68, 557 (1992); Koashi, Preskill, PRL 90, 057902 (2003);
    Ma, Fung, Lo, PRA 76, 012307 (2007).
    """

    def key_per_coincidence(self, qber: ArrayLike) -> F64:
        """Secret bits per sifted coincidence, 1 - (1 + f) h(E); negative where there is no key.

        Raises:
            InvalidInput: If a QBER is outside [0, 1/2] or does not broadcast.
        """
        error = checked("qber", qber, 0.0, 0.5)
        require_broadcast({"qber": error, **array_fields(self)})
        return np.asarray(1.0 - (1.0 + self.error_correction_efficiency) * binary_entropy(error))
