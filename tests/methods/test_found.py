"""One step of FOUND against its plain formulation, before and after its 100 first steps."""

import pytest
import torch
from helpers.peekaboo_cases import Step, assert_step, batch, configured, step
from helpers.peekaboo_oracle import bce, stacked, zeta
from torch import Tensor

from sod.methods.peekaboo import Peekaboo
from sod.nn.backbones.build import BackboneConfig


def coarse() -> Tensor:
    """Return all but the background of each image, bool ``[4, 8, 8]``."""
    masks = torch.zeros(4, 8, 8, dtype=torch.bool)
    masks[0, 1:8, 1:7] = True
    masks[1, 2:4, 3:6] = True
    masks[2, 0, 0] = True
    masks[3, 5:8, 4:8] = True
    return masks


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[BackboneConfig]:
    """Replace the background detection; return the backbones that it was built with."""
    configs: list[BackboneConfig] = []

    class Background:
        def __init__(self, config: BackboneConfig) -> None:
            configs.append(config)

        def masks(self, images: Tensor, tau: float) -> Tensor:
            assert torch.equal(images, step().images)
            assert tau == 0.3  # Siméoni et al., CVPR 2023, section 3.1
            return coarse()[:, None]

    monkeypatch.setattr("sod.labels.initial_targets.FoundBackground", Background)
    return configs


def refined(inputs: Step, masks: Tensor) -> Tensor:
    return stacked([zeta(image, mask) for image, mask in zip(inputs.images, masks, strict=True)])


@pytest.mark.parametrize("number", [0, 99])
def test_the_first_100_steps_learn_the_refined_foreground(
    number: int, built: list[BackboneConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """L = BCE(z, ζ(M_f)) + 1.5 BCE(z, ζ(b)), section 3.2, without the later regulariser."""
    inputs, method = step(), configured(monkeypatch, "found")
    monkeypatch.setattr(Peekaboo, "global_step", number)
    z = inputs.logits()
    targets, foreground = refined(inputs, z > 0), refined(inputs, coarse())
    assert not torch.equal(targets, foreground)
    assert not torch.equal(foreground, coarse().double())
    terms = {"segmenter": bce(z, targets).mean(), "initial": bce(z, foreground).mean()}
    visuals = assert_step(method, inputs, {"segmenter": 1.5, "initial": 1.0}, terms)
    assert torch.equal(visuals["target"][:, 0].double(), targets)
    assert torch.equal(visuals["masked"], visuals["image"])
    assert [config.name for config in built] == ["vit_small_patch8_224.dino"]
    method.loss(batch())
    assert len(built) == 1


@pytest.mark.parametrize("number", [100, 499])
def test_later_steps_sharpen_the_own_prediction_instead(
    number: int, built: list[BackboneConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """L = 4 BCE(z, b) + 1.5 BCE(z, ζ(b)); the 4 is in the published config alone."""
    inputs, method = step(), configured(monkeypatch, "found")
    monkeypatch.setattr(Peekaboo, "global_step", number)
    z = inputs.logits()
    terms = {
        "segmenter": bce(z, refined(inputs, z > 0)).mean(),
        "sharpen": bce(z, (z > 0).double()).mean(),
    }
    assert_step(method, inputs, {"segmenter": 1.5, "sharpen": 4.0}, terms)
    assert built == []
