import hashlib
import pickle
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn import hub
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.weights import file_checksum, load_weights, read_weights, state_checksum

NAME = "vit_tiny_patch16_224"


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def changed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value + 1 for key, value in state.items()}


def refuse(*_: object, **__: object) -> None:
    pytest.fail("the network was asked")


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "teacher"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_wrapped_weights_are_found(
    tmp_path: Path, prefix: str, wrapper: str | None, suffix: str
) -> None:
    wanted = changed(model().state_dict())
    state: dict[str, Any] = {prefix + key: value for key, value in wanted.items()}
    state["head.weight"] = torch.zeros(5, 1)
    path = tmp_path / f"weights{suffix}"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    net = model()
    load_weights(net, path, "net")
    assert all(torch.equal(net.state_dict()[key], value) for key, value in wanted.items())


def test_safetensors_are_read(tmp_path: Path) -> None:
    wanted = changed(model().state_dict())
    save_file(wanted, tmp_path / "weights.safetensors")
    assert state_checksum(read_weights(tmp_path / "weights.safetensors")) == state_checksum(wanted)


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
        load_weights(model(), path, "net")
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


def test_a_whole_model_loads_from_a_file(tmp_path: Path) -> None:
    state = timm.create_model(NAME, num_classes=7).state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    backbone = build_backbone(BackboneConfig(NAME, str(tmp_path / "vit.safetensors"), block=1))
    assert torch.equal(backbone.vit.pos_embed, state["pos_embed"])
    key = state["blocks.1.attn.qkv.weight"][192:384]
    assert torch.equal(backbone.parts[0].linear.weight, key)


def test_hub_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = timm.create_model(NAME).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    monkeypatch.setattr(
        hub, "try_to_load_from_cache", lambda *_: str(tmp_path / "model.safetensors")
    )
    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    backbone = build_backbone(BackboneConfig(NAME, "hub", block=1))
    assert torch.equal(backbone.vit.pos_embed, state["pos_embed"])
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(SodError, match="damaged"):
        build_backbone(BackboneConfig(NAME, "hub", block=1))


@pytest.mark.parametrize("offline", [True, False])
def test_unreachable_hub_says_what_to_get(monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("urllib.request.urlopen", refuse if offline else unreachable)
    with pytest.raises(SodError) as caught:
        build_backbone(BackboneConfig())
    message = str(caught.value)
    assert "model.safetensors" in message
    assert "timm/vit_small_patch16_224.dino" in message
    assert "--model.backbone.weights FILE" in message
    assert "\n" not in message


def test_a_failing_download_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_answers", lambda _: True)
    monkeypatch.setattr(hub, "hf_hub_download", fail)
    with pytest.raises(SodError, match="the download failed"):
        hub.hub_file("vit_small_patch16_224.dino")


def test_models_without_published_weights_are_named() -> None:
    with pytest.raises(SodError, match="no weights on the hub"):
        hub.hub_file("vit_base_patch16_18x2_224")


def test_checksums(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 1000)
    assert file_checksum(tmp_path / "file") == hashlib.sha256(b"abc" * 1000).hexdigest()
    state = {"a": torch.zeros(2), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor(1)}
    same = state_checksum(dict(reversed(state.items())))
    assert state_checksum(state) == same
    assert state_checksum({**state, "a": torch.tensor([0.0, 1e-30])}) != same
    assert state_checksum({**state, "a": torch.zeros(2, 1)}) != same
