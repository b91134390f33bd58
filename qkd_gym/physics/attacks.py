"""Eavesdropping and accidents through their effect on the clicks.

What each one does to gain and QBER follows from the click statistics; nothing is added to a QBER.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from qkd_gym.errors import require_instance
from qkd_gym.physics.decoy import multi_photon_probability
from qkd_gym.physics.detector import Detector
from qkd_gym.physics.numerics import F64, checked, checked_transmittance, ratio, require_broadcast
from qkd_gym.physics.protocols.base import LinkBudget, Protocol
from qkd_gym.physics.protocols.bb84 import BB84


def intercept_resend_qber(qber: ArrayLike, fraction: ArrayLike) -> F64:
    """QBER when a fraction of the pulses is measured in a random basis and sent again.

    Eve's wrong basis makes every fourth of those bits random: two binary symmetric channels in
    series, E + (f / 4) (1 - 2 E) (Bennett and Brassard 1984). A full attack on an error-free
    link gives 25 %. Applied to a misalignment it gives that of the link under attack, from which
    the protocol's own rate formula finds what is left of the key.

    Args:
        qber: Error rate without the attack, in [0, 0.5].
        fraction: Intercepted fraction f in [0, 1]; broadcasts.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.
    """
    error, share = checked("qber", qber, 0.0, 0.5), checked("fraction", fraction, 0.0, 1.0)
    require_broadcast({"qber": error, "fraction": share})
    return np.asarray(error + 0.25 * share * (1.0 - 2.0 * error))


def intercept_resend_chsh(fraction: ArrayLike) -> F64:
    """CHSH value of ideal pairs of which a fraction f is intercepted, 2 sqrt(2) (1 - f / 2).

    Fractions in [0, 1] of any shape.

    Raises:
        InvalidInput: If the fraction is outside [0, 1].

    Source: Naik et al., PRL 84, 4733 (2000).
    """
    return np.asarray(2.0 * np.sqrt(2.0) * (1.0 - checked("fraction", fraction, 0.0, 1.0) / 2.0))


def detection_probability(disclosed_bits: ArrayLike, fraction: ArrayLike) -> F64:
    """Chance that comparing sifted bits of an error-free link reveals an intercept-resend attack.

    1 - (1 - f / 4)^n for n compared bits and an intercepted fraction f in [0, 1]; they broadcast.

    Raises:
        InvalidInput: If an argument is out of range or does not broadcast.
    """
    bits, share = checked("disclosed_bits", disclosed_bits), checked("fraction", fraction, 0.0, 1.0)
    require_broadcast({"disclosed_bits": bits, "fraction": share})
    missed = np.log1p(-share / 4.0)
    return np.asarray(-np.expm1(bits * missed))


@dataclasses.dataclass(frozen=True)
class SplittingAttack:
    """A photon-number-splitting attack that leaves the signal's gain and errors unchanged.

    Attributes:
        multi_photon_yield: Click probability that Eve gives to pulses of two or more photons.
        feasible: Whether that yield is at most 1, bool; without decoys no key is secure then.
        decoy_gain: Clicks per pulse of the weak decoy under the attack.
        decoy_ratio: ``decoy_gain`` over the gain without attack, by which decoys reveal it; 1
            where nothing ever clicks.
    """

    multi_photon_yield: F64
    feasible: np.ndarray
    decoy_gain: F64
    decoy_ratio: F64


def photon_number_splitting(protocol: BB84, transmittance: ArrayLike) -> SplittingAttack:
    """Blocks single photons and forwards multi-photon pulses less one photon through a clear path.

    Where the yield needed exceeds 1 the attack cannot keep up the gain.

    Args:
        protocol: The link; its mean photon numbers matter even without decoys.
        transmittance: Transmittance of the channel, in [0, 1].

    Source: Brassard, Luetkenhaus, Mor, Sanders, PRL 85, 1330 (2000).

    Raises:
        InvalidInput: If a transmittance is outside [0, 1], or the link is no BB84.
    """
    require_instance("protocol", protocol, BB84)
    eta = checked_transmittance(transmittance)
    mu = protocol.photon_number(eta)
    nu = np.asarray(protocol.decoy_photon_number)
    noise = protocol.signal_clicks(0.0, mu).gain
    dark = (1.0 + mu) * np.exp(-mu) * noise
    signal = protocol.signal_clicks(eta, mu).gain
    # Rounding may leave less than nothing where no light arrives.
    needed = np.maximum(signal - dark, 0.0) / multi_photon_probability(mu)
    attacked = (1.0 + nu) * np.exp(-nu) * noise + needed * multi_photon_probability(nu)
    weak = protocol.signal_clicks(eta, nu).gain
    return SplittingAttack(needed, needed <= 1.0, attacked, ratio(attacked, weak, 1.0))


def jam(detector: Detector, photons: ArrayLike) -> Detector:
    """The receiver while continuous light is shone into it: the gain rises, the QBER goes to 1/2.

    The mean number of photons is per gate and at the receiver's input.

    Raises:
        InvalidInput: If the number is outside [0, 1e12].
    """
    require_instance("detector", detector, Detector)
    return detector.with_stray_light(photons)


@dataclasses.dataclass(frozen=True)
class BlindingAttack:
    """A link whose detectors the eavesdropper controls.

    Attributes:
        observed: The budget that the stations measure, as without the attack.
        secret_key_rate_bps: What of its key is secret: nothing.
    """

    observed: LinkBudget
    secret_key_rate_bps: F64


def blinding(
    protocol: Protocol, transmittance: ArrayLike, *, misalignment: ArrayLike | None = None
) -> BlindingAttack:
    """Bright light turns the detectors into classical ones that click when Eve says so.

    She resends what she measured, with the gain and the QBER of the undisturbed link; no count
    shows the attack, and she knows the whole key. Only a monitor of the photocurrent would tell.

    Args:
        protocol: The link.
        transmittance: Of the channel, in [0, 1].
        misalignment: Takes the place of the protocol's field of that name.

    Source: Lydersen et al., Nat. Photon. 4, 686 (2010).

    Raises:
        InvalidInput: If an argument is out of range.
    """
    require_instance("protocol", protocol, Protocol)
    observed = protocol.evaluate(transmittance, misalignment=misalignment)
    return BlindingAttack(observed, np.zeros_like(observed.key_rate_bps))


def fiber_cut(protocol: Protocol) -> LinkBudget:
    """The link once its fibre is cut: only noise clicks, half of it wrong, and no key is left.

    Raises:
        InvalidInput: If the link is no `Protocol`.
    """
    require_instance("protocol", protocol, Protocol)
    return protocol.evaluate(0.0)
