"""Whether the CPU computes in bfloat16, or only imitates it."""

import platform

import torch

WITHOUT_BFLOAT16 = ("DEFAULT", "NO AVX", "AVX2")
"""Vector instructions of x86 processors, as PyTorch names them, that have no bfloat16."""


def emulation_notice(precision: str, device: torch.device) -> str | None:
    """Return one line of advice if a run would imitate half precision, else None.

    Without its instructions, products in bfloat16 take 40 times as long as in float32 (measured
    with PyTorch 2.14 on a CPU with AVX2).

    Args:
        precision: Lightning's name, such as ``bf16-mixed``.
        device: Where the run computes.
    """
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    slow = x86 and torch.backends.cpu.get_cpu_capability() in WITHOUT_BFLOAT16
    if device.type != "cpu" or not slow or not precision.startswith("bf16"):
        return None
    return (
        f"trainer.precision {precision} is many times slower than 32-true on this CPU, "
        "which has no bfloat16 instructions: use --trainer.precision 32-true"
    )
