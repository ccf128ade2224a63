"""Training targets from a model's own binary predictions: PEEKABOO's ζ."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sod.core.errors import SodError
from sod.refine.bilateral import BilateralGrid
from sod.refine.masks import Mode, binarise

Downsample = Literal["any", "half", "area"]


class RefinedTargets(NamedTuple):
    """Refined targets, which of them the refinement was accepted for, and what it saw.

    Attributes:
        targets: In [0, 1], float32, ``[B, T, h, w]``; 0 or 1 unless down-sampled by area.
        accepted: Boolean, ``[B, T]``; where false, the targets are the predictions as given.
        soft: The solver's own output in the size of the images, in [0, 1], ``[B, T, H, W]``.
    """

    targets: Tensor
    accepted: Tensor
    soft: Tensor


@torch.no_grad()
def refine_targets(
    images: Tensor | BilateralGrid,
    binary: Tensor,
    downsample: Downsample = "any",
    mode: Mode = "multi",
    min_iou: float = 0.5,
) -> RefinedTargets:
    """Refine binary predictions along the edges of their images (PEEKABOO, BMVC 2024).

    Each prediction is brought to the size of its image, solved for, cut at one half, its holes are
    filled, and the result is brought back, unless it has too little in common with what it was.
    No gradient flows through. Where the published code drops the largest label, be it the object,
    this keeps the foreground (see :func:`binarise`).

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``, unmasked and not normalised; or their grid, to use
            it again.
        binary: Predictions on the grid of patches, boolean or 0 and 1, ``[B, T, h, w]``.
        downsample: What makes a patch foreground. ``"any"``, as published: anything above 0 after
            bilinear interpolation, which grows objects by up to a patch. ``"half"``: more than one
            half of the same. ``"area"``: no cut, but the covered share of the patch.
        mode: ``"multi"`` keeps all components, ``"single"`` the largest.
        min_iou: The refined mask is accepted if its IoU with the unrefined one is above this.

    Returns:
        The targets, the flags of acceptance and the solver's output.

    Raises:
        SodError: If predictions and images do not fit, or ``downsample`` is unknown.
    """
    grid = images if isinstance(images, BilateralGrid) else BilateralGrid(images)
    if binary.ndim != 4 or len(binary) != grid.size[0]:
        wanted = f"[{grid.size[0]}, T, h, w]"
        raise SodError(f"binary: shape {list(binary.shape)} does not fit the images; give {wanted}")
    coarse = binary.float()
    full = interpolate(coarse, size=grid.size[1:], mode="bilinear", align_corners=False)
    soft = grid.solve(full)
    masks = binarise(soft, mode)
    accepted = _iou(full > 0.5, masks) > min_iou
    refined = _downsample(masks.float(), (binary.shape[2], binary.shape[3]), downsample)
    targets = torch.where(accepted[..., None, None], refined, coarse)
    return RefinedTargets(targets, accepted, soft)


def _iou(left: Tensor, right: Tensor) -> Tensor:
    """Return the IoU of boolean masks ``[B, T, H, W]``, 0 where both are empty, ``[B, T]``."""
    union = (left | right).sum((2, 3))
    return (left & right).sum((2, 3)) / union.clamp(min=1)


def _downsample(masks: Tensor, size: tuple[int, int], how: Downsample) -> Tensor:
    if how == "area":
        return interpolate(masks, size=size, mode="area")
    if how not in ("any", "half"):
        raise SodError(f"downsample: {how!r} is unknown; choose any, half or area")
    shares = interpolate(masks, size=size, mode="bilinear", align_corners=False)
    return (shares > (0 if how == "any" else 0.5)).float()
