"""Memory that stays with the process."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST, _MOST_FROM_HEAP = 2**31 - 1, 2**25  # bytes; the latter is the largest that glibc takes


def keep_freed_memory() -> None:
    """Has freed memory wait for its next use in this process instead of going to the system.

    Every update needs the same few large arrays, and the system would clear them anew each time,
    page by page, which takes a twentieth of a training. Where the C library is not glibc nothing
    happens.
    """
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_TRIM_THRESHOLD, _MOST)
        set_option(_MMAP_THRESHOLD, _MOST_FROM_HEAP)
