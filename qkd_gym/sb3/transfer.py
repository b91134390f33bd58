"""Observations on their way to the device, and actions on their way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ALIGNMENT = 16  # bytes; no number of a packed array may straddle what its type needs


def to_device(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, Tensor]:
    """Arrays as tensors on a device, with their own types.

    On the CPU the tensors share the arrays' memory. To a GPU all arrays travel together, in one
    copy from page-locked memory that the host does not wait for.

    Args:
        arrays: Arrays by name, of any shapes.
        device: Where to.
    """
    if device.type == "cpu":
        return {name: torch.as_tensor(array) for name, array in arrays.items()}
    packed, places = pack(arrays, pin_memory=True)
    # Page-locked memory is used again only after the copy is over: torch's allocator sees to it.
    return unpack(packed.to(device, non_blocking=True), places)


# Where an array lies in packed memory: its first byte, type and shape.
Place = tuple[int, torch.dtype, tuple[int, ...]]


def pack(
    arrays: Mapping[str, NDArray[Any]], pin_memory: bool = False
) -> tuple[Tensor, dict[str, Place]]:
    """Copies arrays into one piece of memory.

    Args:
        arrays: Arrays by name, of any shapes.
        pin_memory: Whether the memory is page-locked, which needs a GPU.

    Returns:
        The memory as uint8, (bytes,), and the place of each array in it.
    """
    places: dict[str, Place] = {}
    size = 0
    for name, array in arrays.items():
        dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
        places[name] = (size, dtype, array.shape)
        size += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    packed = torch.empty(size, dtype=torch.uint8, pin_memory=pin_memory)
    for name, tensor in unpack(packed, places).items():
        tensor.numpy()[...] = arrays[name]
    return packed, places


def unpack(packed: Tensor, places: Mapping[str, Place]) -> dict[str, Tensor]:
    """The arrays of packed memory, as views of it."""
    tensors = {}
    for name, (first, dtype, shape) in places.items():
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        tensors[name] = packed[first : first + size].view(dtype).view(shape)
    return tensors


class Arriving:
    """A tensor on its way to the host, where it is waited for only when it is needed.

    Work that the device is given later does not delay it.

    Args:
        tensor: What to fetch, of any shape and type.
    """

    def __init__(self, tensor: Tensor) -> None:
        # A copy to the host that nobody waits for arrives in page-locked memory.
        self._tensor = tensor.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.Event() if tensor.is_cuda else None
        if self._arrived is not None:
            self._arrived.record()

    def numpy(self) -> NDArray[Any]:
        """Waits for the tensor and returns it as an array."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._tensor.numpy()
