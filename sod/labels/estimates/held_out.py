"""Estimates by students that have not seen the photo: each half of the images judges the other."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.data.levels import from_levels
from sod.labels.estimates.grids import FINER, Grids
from sod.refinement.masks import mask_iou
from sod.tuning.heads import crossed_heads


def held_out_scores(grids: Grids) -> Tensor:
    """Return how well pseudo-masks agree with students that were not trained on them.

    A linear head is trained on the pseudo-masks of each half of the images, those of even and
    those of odd index; its prediction on the other half is compared with the pseudo-masks there.

    Args:
        grids: The images, at least two.

    Returns:
        IoU of each pseudo-mask with the prediction, ``[N]`` in [0, 1]; 0 where one is empty.
    """
    masks = from_levels(grids.masks)
    targets = F.avg_pool2d((masks > 0.5).float()[:, None], FINER).flatten(1)
    features = [each.flatten(1).T for each in grids.features]
    heads = crossed_heads(features, list(targets))
    side = grids.features.shape[-1]
    logits = torch.stack(
        [heads[number % 2].logits(each).view(1, side, side) for number, each in enumerate(features)]
    )
    fine = F.interpolate(logits, masks.shape[-2:], mode="bilinear", align_corners=False)
    return mask_iou(fine[:, 0] > 0, masks > 0.5, empty=0.0)
