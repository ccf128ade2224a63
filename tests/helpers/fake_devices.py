"""A pretended device: tensors that claim to be on a GPU, with their values on the CPU.

Code runs as it would on the device, values included, so that branches on the data are followed.
What a real device refuses is refused here too: operations on tensors of several devices, NumPy
arrays of its tensors, and float64 on Apple's GPUs. Gradients are not computed.
"""

# ruff: noqa: ANN401 - PyTorch's own signatures

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICES = ("cuda:0", "mps:0")

# PyTorch has device guards of CUDA in every build, but of Apple's GPUs on a Mac only. To PyTorch
# itself all pretended tensors are therefore on CUDA.
_BACKEND = torch.device("cuda:0")

aten = torch.ops.aten
_TRANSFERS = (aten._to_copy, aten.copy_)
_INDEXING = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_)
_JOINS = (aten.cat, aten.stack)


class DeviceTensor(Tensor):
    """A tensor that claims to be on a device.

    Args:
        values: The values, on the CPU.
        place: The device.
    """

    values: Tensor
    place: torch.device

    def __new__(cls, values: Tensor, place: torch.device) -> "DeviceTensor":
        tensor: DeviceTensor = Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=_BACKEND,
            requires_grad=values.requires_grad,
        )
        tensor.values, tensor.place = values.detach(), place
        return tensor

    def __repr__(self, **_: Any) -> str:
        return f"DeviceTensor({self.values!r}, {self.place})"

    @property
    def device(self) -> torch.device:
        """The pretended device."""
        return self.place

    @property
    def is_cuda(self) -> bool:
        """Whether the pretended device is one of CUDA."""
        return self.place.type == "cuda"

    def tolist(self) -> Any:
        """Return the values, which PyTorch refuses for subclasses."""
        return self.cpu().tolist()

    def __tensor_flatten__(self) -> tuple[list[str], torch.device]:
        """Mark the class as a wrapper, so that modules swap their parameters when they move."""
        return ["values"], self.place

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], place: torch.device, *_: Any) -> Tensor:
        return DeviceTensor(inner["values"], place)

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        places = [item.place for item in tree_leaves((args, kwargs)) if isinstance(item, cls)]
        return _run(func, args, kwargs or {}, places[0])


class Pretence(TorchDispatchMode):
    """Creates the tensors that are asked for on a GPU on the pretended one.

    Args:
        place: The device.

    Attributes:
        reads: Number of transfers to the CPU, each of which waits for a real device.
    """

    def __init__(self, place: torch.device) -> None:
        super().__init__()
        self.place = place
        self.reads = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        on_device = any(isinstance(item, DeviceTensor) for item in tree_leaves((args, kwargs)))
        result = _run(func, args, kwargs or {}, self.place)
        if on_device and func.overloadpacket in (*_TRANSFERS, aten._local_scalar_dense):
            self.reads += not isinstance(result, DeviceTensor)
        return result


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], place: torch.device) -> Any:
    """Run an operation on the values; its results are on the device that PyTorch would choose."""
    on_device = _check(func, args, kwargs)
    here = {**kwargs, "device": torch.device("cpu")} if kwargs.get("device") else kwargs
    results = func(*tree_map(_values, args), **tree_map(_values, here))
    if not on_device:
        return results

    def put(result: Any) -> Any:
        if not isinstance(result, Tensor):
            return result
        if place.type == "mps" and result.dtype == torch.float64:
            raise TypeError(f"{func}: Apple's GPUs have no float64")
        return DeviceTensor(result, place)

    return return_and_correct_aliasing(func, args, kwargs, tree_map(put, results))


def _check(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether the results are on the device; raise an error for tensors of two devices."""
    packet = func.overloadpacket
    tensors = [item for item in tree_leaves((args, kwargs)) if isinstance(item, Tensor)]
    if packet in _TRANSFERS + _INDEXING:
        tensors = tensors[:1]  # values and indices may come from the CPU
    elif packet not in _JOINS:  # elsewhere scalars of the CPU are accepted
        tensors = [item for item in tensors if item.dim() or isinstance(item, DeviceTensor)]
    kinds = {isinstance(item, DeviceTensor) for item in tensors}
    if len(kinds) > 1:
        raise RuntimeError(f"{func}: some tensors are on the CPU and others on the device")
    if kwargs.get("device"):
        return torch.device(kwargs["device"]).type != "cpu"
    return True in kinds


def _values(item: Any) -> Any:
    return item.values if isinstance(item, DeviceTensor) else item


@contextmanager
def pretended(device: str) -> Iterator[Pretence]:
    """Make every GPU in ``.to(...)`` and ``device=...`` a pretended one.

    Args:
        device: Its name with its index, one of ``DEVICES``.

    Yields:
        The mode, which counts transfers.
    """
    place = torch.device(device)
    torch._C._ensureCUDADeviceGuardSet()
    with pytest.MonkeyPatch.context() as patch:
        if not torch.cuda.is_available():
            patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "synchronize", lambda device=None: None)
        # Otherwise `torch.tensor` would move its values past all modes to the real device.
        before = torch._C._set_only_lift_cpu_tensors(True)
        try:
            with Pretence(place) as pretence:
                yield pretence
        finally:
            torch._C._set_only_lift_cpu_tensors(before)
