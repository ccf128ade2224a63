import urllib.error
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from sod.core.errors import SodError
from sod.nn.backbones import hub
from sod.nn.backbones.build import BackboneConfig, build_backbone

NAME = "vit_tiny_patch16_224"


def refuse(*_: object, **__: object) -> None:
    pytest.fail("the network was used")


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
def test_an_unreachable_hub_names_the_file_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
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


def test_a_failing_download_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_is_reachable", lambda _: True)
    monkeypatch.setattr(hub, "hf_hub_download", fail)
    with pytest.raises(SodError, match="the download failed"):
        hub.hub_file("vit_small_patch16_224.dino")


def test_models_without_published_weights_are_named() -> None:
    with pytest.raises(SodError, match="no weights on the hub"):
        hub.hub_file("vit_base_patch16_18x2_224")
