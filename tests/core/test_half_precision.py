import platform

import pytest
import torch

from sod.core.half_precision import emulation_notice

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "machine", "precision", "device", "noticed"),
    [
        ("AVX2", "x86_64", "bf16-mixed", CPU, True),
        ("AVX2", "AMD64", "bf16-true", CPU, True),
        ("AVX512", "x86_64", "bf16-mixed", CPU, False),
        ("DEFAULT", "arm64", "bf16-mixed", CPU, False),
        ("AVX2", "x86_64", "32-true", CPU, False),
        ("AVX2", "x86_64", "bf16-mixed", torch.device("cuda", 0), False),
    ],
)
def test_imitated_bfloat16_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capability: str,
    machine: str,
    precision: str,
    device: torch.device,
    noticed: bool,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    line = emulation_notice(precision, device)
    assert (line is not None) is noticed
    assert line is None or "--trainer.precision 32-true" in line
