"""A batch, features, masks and a head for one step of PEEKABOO or FOUND."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from helpers.places import CONFIGS
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.engine.building import build_method
from sod.methods.peekaboo import Peekaboo
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig

MEAN = torch.tensor([0.485, 0.456, 0.406])
NAMES = ["large", "small", "grey", "twins"]
SIDE = 64
WEIGHT = torch.tensor([9.0, 5.0, -3.0, 2.0, -4.0])
BIAS = torch.tensor([-0.4])


class PatchColours(Backbone):
    """The mean colour of each patch, and two products of it as a second feature."""

    def __init__(self) -> None:
        super().__init__(8, 5, MEAN.tolist(), [0.2, 0.2, 0.2])
        self.widths = [3, 2]

    def forward(self, images: Tensor) -> Tensor:
        colours = F.avg_pool2d(images, self.patch_size) - 0.5
        return torch.cat([colours, colours[:, :2] * colours[:, 1:]], 1)


class Step(NamedTuple):
    """The inputs of one step, as the plain formulation needs them.

    Attributes:
        images: ``[4, 3, 64, 64]``, the batch without the pixels beyond whole patches.
        masked_images: The same with the masked region in the mean colour.
        weight: Weights of the head, float64 ``[5]``, with gradients.
        bias: Its bias, float64 ``[1]``, with gradients.
    """

    images: Tensor
    masked_images: Tensor
    weight: Tensor
    bias: Tensor

    def features(self, masked: bool = False) -> Tensor:
        """Return the features of the images, float64 ``[4, 5, 8, 8]``."""
        blocks = (self.masked_images if masked else self.images).double()
        colours = blocks.reshape(4, 3, 8, 8, 8, 8).mean((3, 5)) - 0.5
        red, green, blue = colours.unbind(1)
        return torch.stack([red, green, blue, red * green, green * blue], 1)

    def logits(self, masked: bool = False, standardise: bool = False) -> Tensor:
        """Return the logits, float64 ``[4, 8, 8]``; statistics are those of the whole images."""
        features = self.features(masked)
        if standardise:
            whole = self.features()
            variance, mean = torch.var_mean(whole, (0, 2, 3), correction=0, keepdim=True)
            features = (features - mean) / variance.sqrt()
        return torch.einsum("bchw,c->bhw", features, self.weight) + self.bias


def pictures() -> Tensor:
    """Return four noisy 8-bit images, ``[4, 3, 67, 70]`` in [0, 1]."""
    generator = torch.Generator().manual_seed(22)
    levels = torch.full((4, 3, 67, 70), 90.0)
    levels[0, :, 6:60, 10:61] = 180
    levels[0, :, 20:34, 24:38] = 95  # a hole
    levels[1, :, 18:31, 29:46] = 200
    levels[2] += torch.linspace(-15, 60, 70)
    levels[3, :, 4:30, 3:27] = 170
    levels[3, :, 37:58, 35:56] = 150
    levels[:, 2] -= 25
    blocks = torch.randint(-22, 23, (4, 1, 9, 9), generator=generator).float()
    levels += F.interpolate(blocks, scale_factor=8)[..., :67, :70]
    levels += torch.randint(-8, 9, levels.shape, generator=generator)
    return levels.clamp(0, 255) / 255


def hidden() -> Tensor:
    """Return the masked pixels of each image, bool ``[4, 1, 64, 64]``."""
    masks = torch.zeros(4, 1, SIDE, SIDE, dtype=torch.bool)
    masks[0, :, 3:37, 12:45] = True
    masks[1, :, :, 30:43] = True
    masks[2, :, 20:50] = True
    masks[3, :, 30:, 30:] = True
    return masks


def batch() -> Batch:
    """Return the batch of a step; its sides are no multiples of the patch."""
    samples = [Sample(name, Path(f"{name}.jpg")) for name in NAMES]
    return Batch(images=pictures(), masks=[None] * 4, samples=samples, errors=[])


def step() -> Step:
    """Return the inputs of the same step for the plain formulation."""
    images = pictures()[..., :SIDE, :SIDE]
    masked = torch.where(hidden(), MEAN.view(1, 3, 1, 1), images)
    weight, bias = WEIGHT.double().requires_grad_(), BIAS.double().requires_grad_()
    return Step(images, masked, weight, bias)


def configured(
    monkeypatch: pytest.MonkeyPatch, config: str, overrides: Mapping[str, Any] | None = None
) -> Peekaboo:
    """Build the method of a shipped config on :class:`PatchColours`, with the head of the case.

    Args:
        monkeypatch: Replaces the backbone and the masker.
        config: Name of the file in ``configs/`` without its suffix.
        overrides: Other values, by key or by ``section.key``.
    """
    model = yaml.safe_load((CONFIGS / f"{config}.yaml").read_text())["model"]
    for key, value in (overrides or {}).items():
        *sections, last = key.split(".")
        place = model["init_args"]
        for section in sections:
            place = place[section]
        place[last] = value
    monkeypatch.setattr("sod.methods.peekaboo.build_backbone", _patch_colours)
    method = build_method(model["class_path"], model["init_args"], {}, config)
    assert isinstance(method, Peekaboo)
    with torch.no_grad():
        method.head.predict.weight.copy_(WEIGHT.view(1, 5, 1, 1))
        method.head.predict.bias.copy_(BIAS)
    monkeypatch.setattr(method.masker, "draw", _draw)
    return method


def _patch_colours(_: BackboneConfig) -> PatchColours:
    return PatchColours()


def _draw(names: Sequence[str], epoch: int, size: tuple[int, int]) -> Tensor:
    assert (list(names), epoch, size) == (NAMES, 0, (SIDE, SIDE))
    return hidden()


def assert_step(
    method: Peekaboo, inputs: Step, weights: Mapping[str, float], terms: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Compare terms, total and the head's gradient with the plain formulation.

    Args:
        method: The method, which computes its loss.
        inputs: The inputs, from whose weight and bias the terms were computed.
        weights: Weight of each term.
        terms: Each term of the plain formulation, float64.

    Returns:
        The visuals of the step.
    """
    output = method.loss(batch())
    assert set(output.terms) == set(terms) == set(weights)
    for name, term in terms.items():
        close(output.terms[name], term, name)
    total = sum((weights[name] * term for name, term in terms.items()), torch.zeros(()))
    close(output.loss, total, "total")
    output.loss.backward()
    gradients = torch.autograd.grad(total, (inputs.weight, inputs.bias))
    for parameter, gradient in zip(method.head.predict.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        close(parameter.grad.flatten(), gradient, "gradient")
    return output.visuals


def close(actual: Tensor, expected: Tensor, what: str) -> None:
    """Compare a result in float32 with one in float64."""
    torch.testing.assert_close(
        actual.detach().double(), expected.detach().double(), atol=2e-6, rtol=2e-5,
        msg=lambda text: f"{what}: {text}",
    )  # fmt: skip
