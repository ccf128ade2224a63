"""Training targets from binary predictions of the model itself: PEEKABOO's refinement ζ."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.refinement.bilateral import BilateralGrid
from sod.refinement.masks import binarise, mask_iou

Downsample = Literal["any", "half", "area"]


class RefinedTargets(NamedTuple):
    """Refined targets, flags of acceptance, and the output of the bilateral solver.

    Attributes:
        targets: In [0, 1], float32, ``[B, T, h, w]``; 0 or 1 unless downsampled by area.
        accepted: Boolean, ``[B, T]``; where false, the targets are the unrefined predictions.
        soft: Output of the solver at the size of the images, in [0, 1], ``[B, T, H, W]``.
    """

    targets: Tensor
    accepted: Tensor
    soft: Tensor


@torch.no_grad()
@full_precision_region
def refine_targets(
    images: Tensor | BilateralGrid,
    binary: Tensor,
    downsample: Downsample = "any",
    min_iou: float = 0.5,
) -> RefinedTargets:
    """Refine binary predictions along the edges of their images (PEEKABOO, BMVC 2024).

    Each prediction is upsampled to the size of its image, smoothed by the bilateral solver and
    thresholded at one half; its holes are filled, and it is downsampled again. If the refined mask
    overlaps too little with the prediction, the prediction is returned instead. The result has no
    gradient. Unlike in the published code, the foreground is always kept (see :func:`binarise`).

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``, unmasked and not normalised; or their grid, to
            reuse it.
        binary: Predictions on the grid of patches, boolean or 0 and 1, ``[B, T, h, w]``.
        downsample: Criterion for a foreground patch. ``"any"`` (published): a value above 0 after
            bilinear interpolation, which grows objects by up to a patch. ``"half"``: a value above
            one half. ``"area"``: no threshold, the target is the covered share of the patch.
        min_iou: The refined mask is accepted if its IoU with the unrefined one is above this.

    Returns:
        The targets, the flags of acceptance and the output of the solver.

    Raises:
        SodError: If predictions and images do not match, or ``downsample`` is unknown.
    """
    grid = images if isinstance(images, BilateralGrid) else BilateralGrid(images)
    if binary.ndim != 4 or len(binary) != grid.size[0]:
        shape = f"[{grid.size[0]}, T, h, w]"
        raise SodError(f"binary: shape {list(binary.shape)} does not fit the images; give {shape}")
    coarse = binary.float()
    full = interpolate(coarse, size=grid.size[1:], mode="bilinear", align_corners=False)
    soft = grid.solve(full)
    masks = binarise(soft)
    accepted = mask_iou(full > 0.5, masks, empty=0.0) > min_iou
    refined = _downsample(masks.float(), (binary.shape[2], binary.shape[3]), downsample)
    targets = torch.where(accepted[..., None, None], refined, coarse)
    return RefinedTargets(targets, accepted, soft)


def _downsample(masks: Tensor, size: tuple[int, int], kind: Downsample) -> Tensor:
    """Downsample masks ``[B, T, H, W]`` of 0 and 1 to ``[B, T, *size]``."""
    if kind == "area":
        return interpolate(masks, size=size, mode="area")
    if kind not in ("any", "half"):
        raise SodError(f"downsample: {kind!r} is unknown; choose any, half or area")
    shares = interpolate(masks, size=size, mode="bilinear", align_corners=False)
    return (shares > (0 if kind == "any" else 0.5)).float()
