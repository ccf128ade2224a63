"""From images of any size to logits of that size, through a model of patches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.resize import discovery_pad, lanczos_resize, saliency_size


@dataclass(frozen=True)
class InferenceConfig:
    """How an image is shown to the model when it is asked for saliency.

    Args:
        fit: ``pad`` to multiples of the patch with the mean colour, as published, or ``resize`` to
            the nearest multiples.
        scales: Factors on the image's size; the logits of all are averaged. Published: 1.
        flip: Also average with the mirror image. Published: no.
        propagate: Carry logits along the similarity of the patches, this share in each step of a
            random walk (:func:`sod.nn.propagation.propagate`). Published: 0.
        bias: Added to the logits; below 0 paints less. Published: 0.
        max_tokens: Larger images are resized to this many tokens at most, which bounds memory.
    """

    fit: Literal["pad", "resize"] = "pad"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    propagate: float = 0.0
    bias: float = 0.0
    max_tokens: int = 6400

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, naming the field."""
        if self.fit not in ("pad", "resize"):
            raise SodError(f"inference.fit: '{self.fit}' is none of pad, resize")
        if not self.scales or min(self.scales) <= 0:
            raise SodError(f"inference.scales: {self.scales} must be factors above 0")
        if not 0 <= self.propagate < 1:
            raise SodError(f"inference.propagate: {self.propagate} is not in [0, 1)")


def image_logits(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    config: InferenceConfig,
    patch_size: int,
    mean: Tensor,
) -> Tensor:
    """Return logits in the size of the images, resized from the patches before any sigmoid.

    Args:
        model: Maps images ``[B, 3, H, W]`` with sides of whole patches to logits ``[B, 1, h, w]``.
        images: ``[B, 3, H, W]`` in [0, 1], of any size.
        config: How they are shown.
        patch_size: Side of a patch in pixels.
        mean: The colour to pad with, ``[3]``.

    Returns:
        ``[B, 1, H, W]`` in float32.
    """
    views = [
        _logits_at(model, images, factor, config, patch_size, mean) for factor in config.scales
    ]
    if config.flip:
        mirrored = images.flip(-1)
        views += [
            _logits_at(model, mirrored, factor, config, patch_size, mean).flip(-1)
            for factor in config.scales
        ]
    return torch.stack(views).mean(0) + config.bias


def _logits_at(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    factor: float,
    config: InferenceConfig,
    patch_size: int,
    mean: Tensor,
) -> Tensor:
    own = images.shape[-2:]
    tokens = max(own[0] * own[1] * factor**2 / patch_size**2, 1)
    factor *= min(1.0, (config.max_tokens / tokens) ** 0.5)
    height, width = (max(1, round(side * factor)) for side in own)
    if config.fit == "resize":
        height, width = saliency_size(height, width, patch_size)
    scaled = images if (height, width) == tuple(own) else lanczos_resize(images, (height, width))
    if config.fit == "pad":
        scaled = discovery_pad(scaled, patch_size, mean)
    logits = F.interpolate(
        model(scaled).float(), scaled.shape[-2:], mode="bilinear", align_corners=False
    )[..., :height, :width]
    if (height, width) == tuple(own):
        return logits
    return F.interpolate(logits, tuple(own), mode="bilinear", align_corners=False)
