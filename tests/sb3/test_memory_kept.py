"""Freed memory is used again without asking the system."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

# Blocks of 8 MiB, which glibc gives back to the system at once unless it is told otherwise.
FAULTS = """
import ctypes, resource, torch
# Without huge pages, which the system gives or not: one stands for 512 of those that are counted.
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE
from qkd_gym.sb3.memory import keep_freed_memory
{call}
def touch():
    return float(torch.ones(2**21).sum())
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks = [torch.ones(2**21) for _ in range(4)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call):
    code = FAULTS.format(call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_pages_are_touched_for_the_first_time_once():
    pages = 4 * 2**23 // 4096  # of the four blocks
    assert faults("keep_freed_memory()") < 3 * pages < 5 * pages < faults("")
