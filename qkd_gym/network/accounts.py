"""What every step is accounted for."""

from __future__ import annotations

from typing import NamedTuple


class Accounts(NamedTuple):
    """Accounts of one step by their columns: bits, then counts."""

    offered_bits: int
    """Requested key, when it is asked for the first time."""
    delivered_bits: int
    """Key of the requests that were served."""
    blocked_bits: int
    """Key of the requests that were not, and may not wait any longer."""
    waiting_bits: int
    """Key of the requests that wait after the step, to be asked again."""
    generated_bits: int
    """Key that links have made."""
    consumed_bits: int
    """Key taken from pools: delivered key times hops."""
    overflow_bits: int
    """Generated key that found its pool full."""
    expired_bits: int
    """Stored key destroyed by age."""
    stored_bits: int
    """Key in all pools after the step."""
    switches: int
    """Links switched by the action."""
    illegal_actions: int
    """Actions that were illegal and did nothing."""
    requests: int
    """Requests that were served or blocked."""
    exposed_bits: int
    """Stored key of this step that an eavesdropper knows, since the link's detectors are blinded;
    nobody notices, and it is delivered as any other."""
    compromised_bits: int
    """Delivered key that compromised relays have learnt, as each path of its request had one."""
    widest_relay_requests: int
    """Requests of the episode so far that the relay of the most of them would have learnt, if it
    were compromised: the attack radius. 0 unless the scenario has faults that compromise sites."""


ACCOUNT_NAMES = Accounts._fields
ACCOUNT = Accounts(*range(len(ACCOUNT_NAMES)))

# Those that are 0 unless the scenario has faults.
OF_FAULTS = ("exposed_bits", "compromised_bits", "widest_relay_requests")
# What there is after a step, of which there is no sum over an episode.
LEVELS = ("stored_bits", "waiting_bits", "widest_relay_requests")
