"""Inference of trained heads, chosen without masks: image scales and propagation."""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from sod.nn.backbones.base import Backbone
from sod.nn.inference import InferenceConfig, image_logits
from sod.nn.propagation import propagate
from sod.refinement.masks import mask_iou
from sod.tuning.heads import Head

SHARES = (0.0, 0.5)
"""Weights of the others in a propagation."""
SCALES = ((1.0,), (1.5,), (1.0, 1.5))


class Inference(NamedTuple):
    """How a head predicts.

    Attributes:
        scales: Factors on the size of the image; the logits are averaged.
        propagate: Propagation of the logits between similar tokens; 0: none.
    """

    scales: tuple[float, ...]
    propagate: float

    def __str__(self) -> str:
        """Describe it in words."""
        scales = " and ".join(f"{scale:g}" for scale in self.scales)
        return f"scale {scales}, propagate {self.propagate:g}"


INFERENCES = [Inference(scales, share) for scales, share in product(SCALES, SHARES)]


@torch.inference_mode()
def inference_scores(
    backbone: Backbone, head: Head, image: Tensor, vote: Tensor, max_tokens: int
) -> Tensor:
    """Return the IoU of a head's prediction with a mask, for each of :data:`INFERENCES`.

    Args:
        backbone: The features that the head sees; the first is used for the propagation.
        head: A head that was not trained on the image.
        image: RGB in [0, 1], ``[3, H, W]``.
        vote: The mask, bool ``[H, W]``.
        max_tokens: Larger images are resized to at most this number of tokens.

    Returns:
        ``[len(INFERENCES)]``.
    """
    maps: dict[tuple[float, float], Tensor] = {}
    for scale in {scale for scales in SCALES for scale in scales}:
        logits = _logits(backbone, head, image, scale, max_tokens)
        maps |= {(scale, share): each for share, each in zip(SHARES, logits, strict=True)}
    means = [torch.stack([maps[scale, i.propagate] for scale in i.scales]).mean(0)
             for i in INFERENCES]  # fmt: skip
    return mask_iou(torch.stack(means) > 0, vote, empty=0).float()


def _logits(backbone: Backbone, head: Head, image: Tensor, scale: float, max_tokens: int) -> Tensor:
    """Return the logits at a scale for each of :data:`SHARES`, ``[len(SHARES), H, W]``."""

    def model(images: Tensor) -> Tensor:
        features = backbone(images.to(backbone.mean.device)).float().cpu()
        logits = head.logits(features[0].flatten(1).T).view(1, 1, *features.shape[-2:])
        base = features[:, : backbone.widths[0]]
        return torch.cat([propagate(logits, base, share) for share in SHARES])

    config = InferenceConfig("resize", (scale,), max_tokens=max_tokens)
    mean = backbone.mean.cpu()
    return image_logits(model, image[None], config, backbone.patch_size, mean)[:, 0]
