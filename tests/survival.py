"""What every reader of files must survive: see `survives`."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qkd_gym.errors import InvalidInput
from tests.mutations import mutated


def survives(
    read: Callable[[Path], Any],
    path: Path,
    content: bytes,
    seed: int,
    count: int = 20_000,
    finish: Callable[[bytes], bytes] = bytes,
) -> int:
    """Reads mutated files: each is accepted, or refused in one sentence, in bounded time and space.

    Args:
        read: The reader.
        path: Where the file is written before it is read.
        content: A good file.
        seed: Of the mutations.
        count: Number of mutated files.
        finish: Changes a mutated file before it is written, for instance its checksum.

    Returns:
        How many files were accepted.
    """
    rng, accepted = random.Random(seed), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        broken = finish(mutated(content, rng))
        path.write_bytes(broken)
        start = time.process_time()
        try:
            read(path)
            accepted += 1
        except InvalidInput as error:
            message = str(error)
            assert len(message) <= 300, (number, message)
            assert message.isprintable(), (number, message)
        except Exception as error:
            raise AssertionError((number, broken[:2000])) from error
        assert time.process_time() - start < 5.0, (number, broken[:2000])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
    return accepted
