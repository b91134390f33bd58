"""Freed memory is used again without asking the system."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from qkd_gym.sb3 import memory

# Blocks of 8 MiB, before and after. The file alone is run: its package takes seconds to load.
FAULTS = f"""
import ctypes, resource, runpy, torch
# Without huge pages, which the system gives or not: one stands for 512 of those that are counted.
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [torch.ones(2**21) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def fewest():
    # The system may take pages back meanwhile, which only adds to what is counted.
    return min(faults() for _ in range(5))
faults()
print(fewest())
runpy.run_path({memory.__file__!r})["keep_freed_memory"]()
print(fewest())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_pages_are_touched_for_the_first_time_once():
    # Without it glibc would learn from what is freed, and keep as much as its heap happens to hold.
    told = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env=told, capture_output=True, text=True, check=True
    )
    given_back, kept = map(int, done.stdout.split())
    pages = 4 * 2**23 // 4096  # of the four blocks
    assert kept < 3 * pages < 5 * pages < given_back
