"""E91: entangled pairs with a Bell test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.fields import Real, choice, real
from qkd_gym.physics.detector import array_fields
from qkd_gym.physics.entropy import binary_entropy
from qkd_gym.physics.numerics import F64, bisect, checked, require_broadcast
from qkd_gym.physics.protocols.base import MIN_SIFTING, with_misalignment
from qkd_gym.physics.protocols.pairs import PairProtocol


@dataclass(frozen=True)
class E91(PairProtocol):
    """Each station chooses among three settings; two of the nine combinations make key.

    Four combinations test Bell's inequality; without a violation, S <= 2, the key is dropped. Other
    fields are those of `PairProtocol`.

    Attributes:
        sifting: Share of the coincidences that become key: 2/9 for equally likely settings.
        analysis: ``"trusted"`` devices, 1 - (1 + f) h(E), or the ``"device-independent"`` price of
            collective attacks (which ignores the detection loophole that real loss opens).

    Sources: Ekert, PRL 67, 661 (1991); Acin et al., PRL 98, 230501 (2007), Eq. 3.
    """

    sifting: Real = real(2.0 / 9.0, MIN_SIFTING, 1.0)
    analysis: str = choice("trusted", ("trusted", "device-independent"))

    @property
    def qber_threshold(self) -> F64:
        """QBER at which the key vanishes: device-independent, 7.15 % at f = 1."""
        if self.analysis == "trusted":
            return super().qber_threshold
        return bisect(lambda qber: self.key_per_coincidence(qber) > 0.0, 0.0, 0.5)[0]

    def key_per_coincidence(self, qber: ArrayLike) -> F64:
        """Secret bits per sifted coincidence; minus the error correction where S <= 2.

        Raises:
            InvalidInput: If a QBER is outside [0, 1/2] or does not broadcast.
        """
        error = checked("qber", qber, 0.0, 0.5)
        require_broadcast({"qber": error, **array_fields(self)})
        known = entropy = binary_entropy(error)
        leak = np.asarray(self.error_correction_efficiency) * entropy
        violation = (chsh_value(error) / 2.0) ** 2 - 1.0
        if self.analysis == "device-independent":
            known = binary_entropy((1.0 + np.sqrt(np.clip(violation, 0.0, 1.0))) / 2.0)
        return np.asarray(np.where(violation > 0.0, 1.0 - known, 0.0) - leak)

    def chsh(self, transmittance: ArrayLike, *, misalignment: ArrayLike | None = None) -> F64:
        """Expected CHSH value of the coincidences, at most 2 sqrt(2).

        Args:
            transmittance: Transmittance of the channel, in [0, 1], any shape.
            misalignment: Error probability in place of the field of that name; broadcasts.

        Raises:
            InvalidInput: If an argument is outside its range or does not broadcast.
        """
        protocol = with_misalignment(self, misalignment)
        brightness = protocol.pair_brightness(transmittance)
        return chsh_value(protocol.coincidences(transmittance, brightness).qber)


def chsh_value(qber: ArrayLike) -> F64:
    """S = 2 sqrt(2) (1 - 2 E) of an isotropic state; the classical bound 2 is at E = 14.6 %."""
    return np.asarray(2.0 * np.sqrt(2.0) * (1.0 - 2.0 * np.asarray(qber, dtype=np.float64)))
