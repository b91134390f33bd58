"""Named links with the parameters of published systems."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from qkd_gym.errors import InvalidInput, require_choice, require_known_keys, shown
from qkd_gym.names import register, registered
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.optimum import efficient_sifting
from qkd_gym.physics.own import check_protocol
from qkd_gym.physics.protocols.b92 import B92
from qkd_gym.physics.protocols.base import Protocol
from qkd_gym.physics.protocols.bb84 import BB84
from qkd_gym.physics.protocols.bbm92 import BBM92
from qkd_gym.physics.protocols.cvqkd import CVQKD
from qkd_gym.physics.protocols.e91 import E91
from qkd_gym.physics.protocols.mdi import MDI

_LONGEST_NAME = 1000

# Ma, Fung, Lo, PRA 76, 012307 (2007), Table I; the pulse rate is that of pulsed sources.
_SPDC: dict[str, Any] = {
    "detector": Detector.from_background(0.145, 6.02e-6),
    "brightness": "optimal",
    "misalignment": 0.015,
    "error_correction_efficiency": 1.22,
    "repetition_rate_hz": 250e6,
}

_PRESETS: dict[str, Protocol] = {
    # Detector efficiency 10 %, dark counts 1e-6 per gate, Poisson photon statistics
    # (arXiv:2511.16468); misalignment, error correction and clock are common values.
    "reference": BB84(),
    # Gobby, Yuan, Shields, APL 84, 3762 (2004), with the optimal signal of Ma, Qi, Zhao, Lo,
    # PRA 72, 012326 (2005); background 1.7e-6 is that of both detectors.
    "gys": BB84(
        detector=Detector.from_background(0.045, 1.7e-6),
        mean_photon_number=0.48,
        decoy_photon_number=0.05,
        misalignment=0.033,
        error_correction_efficiency=1.22,
        repetition_rate_hz=2e6,
    ),
    # Bourennane et al., Opt. Express 4, 383 (1999), as used by Ma et al. (2005).
    "kth": BB84(
        detector=Detector.from_background(0.143, 4e-4),
        misalignment=0.01,
        error_correction_efficiency=1.22,
        repetition_rate_hz=0.1e6,
    ),
    # Lim et al., PRA 89, 022307 (2014), Sec. IV: InGaAs detectors and finite blocks.
    "lim-ingaas": BB84(
        detector=Detector(0.1, 6e-7, afterpulse_probability=0.04),
        decoy="vacuum+weak",
        vacuum_photon_number=2e-4,
        misalignment=0.005,
        block_size=1e7,
    ),
    # Gigahertz decoy BB84 as in the Cambridge network, Dynes et al., npj Quantum Inf. 5, 101
    # (2019); efficiency and misalignment are fitted to its rates and those of Sasaki et al.,
    # Opt. Express 19, 10387 (2011). 88 % of the bits survive sifting.
    "metro-1ghz": BB84(
        detector=Detector(0.05, 1e-6),
        mean_photon_number=0.4,
        misalignment=0.02,
        sifting=efficient_sifting(0.9359, both_bases=True),
        error_correction_efficiency=1.15,
        repetition_rate_hz=1e9,
    ),
    "spdc": BBM92(**_SPDC),
    "spdc-e91": E91(**_SPDC),
    # Ma, Razavi, PRA 86, 062319 (2012), Table I.
    "mdi": MDI(repetition_rate_hz=1e9),
    # Single photons at a state overlap adapted to the loss; the detectors are of the
    # superconducting kind, without which the protocol reaches nowhere.
    "b92": B92(detector=Detector(0.9, 1e-8), misalignment=0.002),
    # Common values of coherent metropolitan systems; see Diamanti, Leverrier, Entropy 17, 6072
    # (2015).
    "cv-metro": CVQKD(repetition_rate_hz=100e6),
    # Lodewyck et al., PRA 76, 042305 (2007).
    "cv-lodewyck": CVQKD(
        efficiency=0.606,
        electronic_noise=0.041,
        modulation_variance=18.5,
        excess_noise=0.005,
        reconciliation_efficiency=0.898,
        repetition_rate_hz=350e3,
    ),
}


_WHAT = "preset"  # among what is registered


def available_presets() -> tuple[str, ...]:
    """Names that `preset` accepts."""
    return (*_PRESETS, *registered(_WHAT))


def register_preset(name: str, protocol: Any) -> None:
    """Makes a protocol with its parameters known by a name, wherever one takes that of a preset.

    That is in this process and in those that the package starts; others register it themselves.

    Args:
        name: 1 to 64 letters, digits, ``-`` and ``_``; none of the package's own.
        protocol: One of the package's protocols with parameters of your own, or any object that
            has the numbers ``pulse_rate_hz``, ``sifted_per_detection`` and ``qber_threshold`` and
            a method ``evaluate(transmittance, misalignment=...)``, which broadcasts and returns a
            `LinkBudget`, or whatever else has its ``gain``, ``qber`` and ``key_rate_bps``. One
            that has ``sifted_per_block`` makes key when so many sifted bits are there. If it is a
            dataclass, its fields can be changed in brackets, see `preset`.

    Raises:
        InvalidInput: On a name that is taken or none, or a protocol that does not do this.
    """
    check_protocol(protocol)
    register(_WHAT, name, protocol, _PRESETS)


def preset(name: str) -> Protocol:
    """The protocol with the parameters of a named preset, some of them changed on request.

    Args:
        name: A name of `available_presets`, or one with other values for fields of the protocol or
            of its detector, such as ``"lim-ingaas(block_size=1e9, detector.efficiency=0.2)"``, in
            any order. At most 1,000 characters.

    Raises:
        InvalidInput: If there is no such preset or field, or a value is out of range.
    """
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise InvalidInput(
            f"preset is {shown(name)}, but must be a text of at most {_LONGEST_NAME} characters."
        )
    base, bracket, changes = name.strip().partition("(")
    base = base.strip()
    if bracket and not changes.endswith(")"):
        raise InvalidInput(f"preset is {shown(name)}, but must end with its bracket.")
    require_choice("preset", base, available_presets())
    protocol = _PRESETS.get(base) or registered(_WHAT)[base]
    tree: dict[str, Any] = {}
    for assignment in filter(None, (part.strip() for part in changes[:-1].split(","))):
        place, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise InvalidInput(
                f"preset is {shown(name)}, but {shown(assignment)} must be FIELD=VALUE."
            )
        if not dataclasses.is_dataclass(protocol):
            raise InvalidInput(f"preset is {shown(name)}, but {base} has no fields to change.")
        _plant(base, protocol, tree, place.split("."), _number_or_word(text))
    return cast("Protocol", _replaced(protocol, tree) if tree else protocol)


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")


def _plant(
    owner: str, thing: Any, tree: dict[str, Any], path: list[str], value: float | str
) -> None:
    """Notes in ``tree``, which nests as the fields do, that a field of ``thing`` is to change."""
    field, *rest = path
    require_known_keys(owner, [field], [f.name for f in dataclasses.fields(thing)])
    inner, place = getattr(thing, field), f"{owner}.{field}"
    if rest:
        if not dataclasses.is_dataclass(inner):
            raise InvalidInput(f"{place} has no field {shown('.'.join(rest))}.")
        _plant(place, inner, tree.setdefault(field, {}), rest, value)
        return
    if dataclasses.is_dataclass(inner):
        raise InvalidInput(f"{place} is {shown(value)}, but its own fields must be set.")
    if field in tree:
        raise InvalidInput(f"{place} is set twice, but must be set once.")
    if isinstance(inner, bool):
        require_choice(place, value, ("true", "false"))
    tree[field] = value == "true" if isinstance(inner, bool) else value


def _replaced(thing: Any, tree: dict[str, Any]) -> Any:
    """A copy with all changes made at once, so that their order does not matter."""
    changes = {
        field: _replaced(getattr(thing, field), value) if isinstance(value, dict) else value
        for field, value in tree.items()
    }
    return dataclasses.replace(thing, **changes)
