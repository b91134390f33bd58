"""Named links with the parameters of published systems."""

from __future__ import annotations

from collections.abc import Callable

from qkd_gym.errors import require_choice
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.protocols.base import Protocol
from qkd_gym.physics.protocols.bb84 import BB84


def _reference() -> Protocol:
    return BB84()


_PRESETS: dict[str, Callable[[], Protocol]] = {
    # arXiv:2511.16468 (2025): efficiency 10 %, dark counts 1e-6, mu = 0.5. It states no
    # misalignment or clock; 1.5 % and 10 MHz are those of ordinary systems.
    "reference": _reference,
    # Gobby, Yuan, Shields, APL 84, 3762 (2004), as used by Ma et al., PRA 72, 012326 (2005).
    "gys": lambda: BB84(
        detector=Detector.from_background(0.045, 1.7e-6),
        mean_photon_number=0.48,
        decoy_photon_number=0.05,
        misalignment=0.033,
        error_correction_efficiency=1.22,
        repetition_rate_hz=2e6,
    ),
}


def available_presets() -> tuple[str, ...]:
    """Names of all presets."""
    return tuple(_PRESETS)


def preset(name: str) -> Protocol:
    """The protocol of a named link.

    Raises:
        InvalidInput: If there is no such preset.
    """
    require_choice("preset", name, available_presets())
    return _PRESETS[name]()
