"""Arrays in one piece of memory."""

import numpy as np
import pytest

from qkd_gym.network.compiled.memory import padded, zeros


@pytest.mark.parametrize("batch", [1, 3, 40_000])  # small, odd, and so large that pages are
def test_arrays_start_at_cache_lines_and_do_not_overlap(batch):
    made = zeros(
        flags=((batch, 5), np.bool_),
        nothing=((batch, 0, 7), np.int64),
        rows=((batch, 3, padded(5)), np.float32),
        records=((batch,), np.dtype([("a", "i8"), ("b", "f4")])),
    )
    assert made["rows"].shape == (batch, 3, 16)
    assert made["nothing"].shape == (batch, 0, 7)
    assert made["records"].dtype.names == ("a", "b")
    for number, array in enumerate(made.values()):
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert not array.view(np.uint8).any()
        array.view(np.uint8)[...] = number + 1
    for number, array in enumerate(made.values()):
        assert (array.view(np.uint8) == number + 1).all()


def test_all_arrays_have_one_base():
    made = zeros(some=((4,), np.int64), others=((2, 3), np.float32))
    assert made["some"].base is made["others"][1].base is not None
