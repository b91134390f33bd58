"""How the simulator's functions are compiled."""

from __future__ import annotations

from numba import njit

# For functions that only compiled code calls: they become part of their callers, so passing them
# the state's arrays costs nothing, and they get no Python face, which halves the time to compile.
# Divisions do not check for zero, so loops with them can be vector instructions.
inlined = njit(  # type: ignore[call-overload]
    error_model="numpy",
    forceinline=True,
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
    _nrt=False,
)

LANES = 16  # of the widest vector instructions, single precision


@inlined
def whole(n: int) -> int:
    """``n`` rounded up to whole vectors: a loop so long has no scalar rest.

    Rows of the state have room for it; what the loop does to their padding does not matter.
    """
    return LANES * ((n + LANES - 1) // LANES)


def padded(n: int) -> int:
    """Entries of a row for ``n`` numbers."""
    return LANES * -(-n // LANES)
