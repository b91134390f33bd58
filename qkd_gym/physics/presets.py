"""Named sets of link parameters from the literature."""

from __future__ import annotations

from qkd_gym.errors import require_choice
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.protocols import BB84, Protocol

_PRESETS: dict[str, Protocol] = {
    # Detector efficiency 10 %, dark counts 1e-6 per gate, Poisson photon statistics
    # (arXiv:2511.16468); misalignment, error correction and clock are common values.
    "reference": BB84(
        detector=Detector(efficiency=0.1, dark_count_probability=1e-6),
        mean_photon_number=0.5,
        misalignment=0.015,
        error_correction_efficiency=1.16,
        repetition_rate_hz=10e6,
    ),
    # Gobby, Yuan and Shields, APL 84, 3762 (2004), with the optimal signal of Ma, Qi, Zhao and
    # Lo, PRA 72, 012326 (2005); background 1.7e-6 is that of both detectors.
    "gys": BB84(
        detector=Detector(efficiency=0.045, dark_count_probability=0.85e-6),
        mean_photon_number=0.48,
        misalignment=0.033,
        error_correction_efficiency=1.22,
        repetition_rate_hz=2e6,
    ),
}


def available_presets() -> tuple[str, ...]:
    """Names that `preset` accepts."""
    return tuple(_PRESETS)


def preset(name: str) -> Protocol:
    """The protocol with the parameters of a named preset.

    Raises:
        InvalidInput: If there is no such preset.
    """
    require_choice("preset", name, available_presets())
    return _PRESETS[name]
