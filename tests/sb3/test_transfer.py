"""Arrays reach the device as they are, and tensors come back."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from qkd_gym.sb3.transfer import Arriving, pack, to_device, unpack  # noqa: E402

RNG = np.random.default_rng(0)
ARRAYS = {
    "flags": RNG.integers(0, 2, (3, 5), dtype=np.int8),
    "turned": RNG.random((3, 4, 2), dtype=np.float32).transpose(0, 2, 1),
    "ends": RNG.integers(0, 2**40, (3, 2)),
    "small": RNG.integers(0, 300, (3, 1), dtype=np.int16),
    "none": np.zeros((3, 0), np.float32),
    "truths": RNG.random((3, 3)) < 0.5,
}


def check(tensors):
    assert list(tensors) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert tensors[name].shape == array.shape
        assert tensors[name].numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensors[name].numpy(), array)


def test_arrays_survive_packing():
    packed, places = pack(ARRAYS)
    assert packed.dtype == torch.uint8
    check(unpack(packed.clone(), places))


def test_arrays_are_shared_with_the_cpu():
    tensors = to_device(ARRAYS, torch.device("cpu"))
    check(tensors)
    assert all(
        np.shares_memory(tensors[name].numpy(), ARRAYS[name]) for name in ("flags", "turned")
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_arrays_reach_a_gpu_together():
    tensors = to_device(ARRAYS, torch.device("cuda"))
    assert all(tensor.is_cuda for tensor in tensors.values())
    check({name: tensor.cpu() for name, tensor in tensors.items()})


def test_tensors_arrive():
    tensor = torch.arange(6).view(2, 3)
    np.testing.assert_array_equal(Arriving(tensor).numpy(), tensor.numpy())
