import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.files import state_checksum
from sod.nn.backbones.weights import load_backbone_weights, read_weights


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def changed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value + 1 for key, value in state.items()}


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "teacher"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_wrapped_weights_are_loaded(
    tmp_path: Path, prefix: str, wrapper: str | None, suffix: str
) -> None:
    expected = changed(model().state_dict())
    state: dict[str, Any] = {prefix + key: value for key, value in expected.items()}
    state["head.weight"] = torch.zeros(5, 1)
    path = tmp_path / f"weights{suffix}"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    net = model()
    load_backbone_weights(net, path, "net")
    assert all(torch.equal(net.state_dict()[key], value) for key, value in expected.items())


def test_safetensors_are_read(tmp_path: Path) -> None:
    expected = changed(model().state_dict())
    path = tmp_path / "weights.safetensors"
    save_file(expected, path)
    assert state_checksum(read_weights(path)) == state_checksum(expected)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"0.weight": None}, "missing: 0.weight"),
        ({"2.weight": torch.zeros(1)}, "unexpected: 2.weight"),
        ({"0.weight": torch.zeros(3, 5)}, "wrong shape: 0.weight (3, 5) instead of (3, 2)"),
        ({f"{i}.x": torch.zeros(1) for i in range(5)}, "0.x, 1.x, 2.x and 2 more"),
    ],
)
def test_misfits_are_named(tmp_path: Path, state: dict[str, Any], problem: str) -> None:
    merged = {**model().state_dict(), **state}
    path = tmp_path / "weights.pth"
    torch.save({key: value for key, value in merged.items() if value is not None}, path)
    with pytest.raises(SodError) as caught:
        load_backbone_weights(model(), path, "net")
    message = str(caught.value)
    assert problem in message
    assert str(path) in message
    assert "net" in message
    assert "\n" not in message


class Touch:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("legacy", [True, False])
def test_pickled_code_is_not_run(tmp_path: Path, legacy: bool) -> None:
    path, witness = tmp_path / "weights.pth", tmp_path / "witness"
    content = {"0.weight": Touch(witness)}
    if legacy:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(SodError, match="nothing of it was run") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "no such weights file"),
        ("empty.pth", b"", "cannot be read"),
        ("garbage.safetensors", b"garbage that is long enough", "cannot be read"),
        ("garbage.pth", b"PK\x03\x04 garbage", "cannot be read"),
        ("weights.txt", b"1", "weights must be .safetensors"),
    ],
)
def test_unreadable_files_are_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SodError) as caught:
        read_weights(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_checkpoints_without_tensors_are_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "weights.pth")
    with pytest.raises(SodError, match="holds no tensors"):
        read_weights(tmp_path / "weights.pth")
