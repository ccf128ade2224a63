"""Proposals: maps of one image that may be the wanted object, for several answers."""

from itertools import combinations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.nn.backbones.base import Backbone
from sod.nn.consensus import group_tokens, segment
from sod.nn.resize import lanczos_resize, saliency_size
from sod.spectral.recursive import recursive_cuts

LEVELS = (0.2, 0.35, 0.65, 0.8)
"""Thresholds of a map that give further proposals, beside one half."""
TAU = 0.3
"""Threshold of the graph that is cut."""
CUTS = 3
"""Number of recursive cuts."""
SEGMENTS = (2, 3, 4, 6)
"""Numbers of segments that an image is divided into."""
TOKENS = 2500
"""Largest number of tokens of a graph that is cut."""
SMALLEST = 0.005
"""Smallest share of the image of a component that is proposed."""


def map_proposals(saliency: Tensor, components: int = 3) -> list[Tensor]:
    """Return a map, the map at other thresholds, and its largest components.

    Args:
        saliency: ``[H, W]`` in [0, 1].
        components: Largest number of components.

    Returns:
        Each ``[H, W]`` in [0, 1]; the first is the map itself.
    """
    proposals = [saliency]
    for level in LEVELS:
        shifted = torch.where(
            saliency > level, 0.5 + (saliency - level) / (1 - level) / 2, saliency / level / 2
        )
        if not torch.equal(shifted > 0.5, saliency > 0.5):
            proposals.append(shifted)
    parts = _components(saliency > 0.5, components)
    return proposals + ([part * saliency for part in parts] if len(parts) > 1 else [])


@full_precision_region
def token_proposals(backbone: Backbone, image: Tensor) -> list[Tensor]:
    """Return segments of several sizes and the objects of recursive normalized cuts.

    Args:
        backbone: A frozen backbone, whose first feature is used.
        image: RGB in [0, 1], ``[3, H, W]``; it is resized to at most ``TOKENS`` patches.

    Returns:
        Each ``[H, W]`` in [0, 1]: masks of patches, interpolated.
    """
    height, width = image.shape[1:]
    factor = min(1.0, (TOKENS * backbone.patch_size**2 / (height * width)) ** 0.5)
    size = saliency_size(round(height * factor), round(width * factor), backbone.patch_size)
    features = backbone(lanczos_resize(image[None], size))[0, : backbone.widths[0]].float()
    masks = recursive_cuts(features, CUTS, TAU) + _segments(features)
    stacked = torch.stack(masks)[:, None].to(image)
    return list(F.interpolate(stacked, (height, width), mode="bilinear")[:, 0])


def _segments(features: Tensor) -> list[Tensor]:
    """Return the segments of the k-means with each number of ``SEGMENTS``, bool ``[h, w]``."""
    (tokens,) = group_tokens([features], [len(features)])
    masks = []
    for count in SEGMENTS:
        centres = segment(tokens, torch.ones_like(tokens[:, 0]), count).centres
        nearest = (tokens @ centres.mT).argmax(1).view(features.shape[1:])
        masks += [nearest == number for number in range(len(centres))]
    return masks


def unions(masks: list[Tensor]) -> list[Tensor]:
    """Return the unions of each two masks, and of all if there are more than two."""
    pairs = [torch.maximum(left, right) for left, right in combinations(masks, 2)]
    return pairs + ([torch.stack(masks).amax(0)] if len(masks) > 2 else [])


def _components(mask: Tensor, count: int) -> list[Tensor]:
    """Return the largest 4-connected components of a mask, bool ``[H, W]``."""
    array = np.ascontiguousarray(mask.cpu().numpy().astype(np.uint8))
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(array, connectivity=4)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    order = [int(i) for i in np.argsort(-areas, kind="stable")[:count]]
    kept = [1 + i for i in order if areas[i] >= SMALLEST * array.size]
    return [torch.from_numpy(labels == label).to(mask.device) for label in kept]
