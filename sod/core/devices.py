"""The device that a name stands for; never another one than was asked for."""

import torch

from sod.core.errors import SodError


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Return a device that is there.

    Args:
        name: ``auto`` (the first GPU, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        SodError: There is no such device on this machine, or the name is unknown.
    """
    if name == "auto":
        return _best()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SodError(f"device '{name}': unknown; give auto, cpu, cuda, cuda:N or mps.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise SodError(
            f"device '{name}': this machine has {count or 'no'} CUDA GPU{'s' * (count > 1)} that "
            "PyTorch can use; `sod doctor` says why. Give device 'cpu'."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SodError(f"device '{name}': this machine has no GPU of Apple's. Give device 'cpu'.")
    return device


def _best() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def describe_device(device: torch.device) -> str:
    """Return a device in words: ``the CPU``, or the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return "the CPU" if device.type == "cpu" else str(device)
