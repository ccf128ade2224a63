"""From a saliency map and a mask file to what a protocol measures."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from sod.metrics.protocols import MaskRule, Protocol

_SNAP = 1e-4  # levels; float32 keeps k / 255 to about 1e-5 of a level


class Prepared(NamedTuple):
    """One image as a protocol sees it.

    Attributes:
        values: float64 ``[H, W]`` in [0, 1].
        codes: int64 ``[H, W]``, how many of the protocol's thresholds each pixel passes.
        foreground: bool ``[H, W]``, the binary mask.
    """

    values: Tensor
    codes: Tensor
    foreground: Tensor


def foreground(mask: Tensor, rule: MaskRule) -> Tensor:
    """Return the bool foreground of a uint8 mask (0..255) of any shape; bool masks pass through."""
    if mask.dtype == torch.bool:
        return mask
    if rule == "nonzero":
        return mask > 0
    if rule == "255":
        return mask == 255
    if rule == "over-128":
        return mask > 128
    return 2 * mask.int() > mask.max().int()


def prepare(
    saliency: Tensor, mask: Tensor, protocol: Protocol, *, refined: bool = False
) -> Prepared:
    """Apply the protocol's rules to one image.

    Args:
        saliency: float ``[H, W]``; rounding errors outside [0, 1] are cut off.
        mask: uint8 (0..255) or bool ``[H, W]``.
        protocol: the rules.
        refined: whether the map went through a refinement (some protocols then cut it at 0.5).

    Raises:
        ValueError: if the shapes differ, are empty, or the map holds a value that is not finite.
    """
    _check(saliency, mask)
    values = saliency.detach().to(torch.float64, copy=True).clamp_(0, 1)
    if protocol.quantise:
        values.mul_(255).round_().div_(255)
    if protocol.normalise:
        values = _min_max(values)
    if protocol.is_binary(refined):
        binary = values > 0.5
        values = (largest_component(binary) if protocol.components == "single" else binary).double()
    return Prepared(values, _codes(values, protocol), foreground(mask, protocol.mask_rule))


def resize_saliency(saliency: Tensor, size: tuple[int, int], protocol: Protocol) -> Tensor:
    """Give a map ``[..., H, W]`` in [0, 1] its mask's size ``(H', W')`` by the protocol's rule.

    Bilinear without aligned corners; under ``nearest-if-binary`` a map that holds only 0 and 1 is
    resized by nearest neighbour, as TokenCut publishes its masks.
    """
    if tuple(saliency.shape[-2:]) == tuple(size):
        return saliency
    flat = saliency.reshape(1, -1, *saliency.shape[-2:])
    two_valued = bool(((saliency == 0) | (saliency == 1)).all())
    if protocol.resize == "nearest-if-binary" and two_valued:
        resized = F.interpolate(flat, size, mode="nearest")
    else:
        resized = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return resized.reshape(*saliency.shape[:-2], *size)


def largest_component(binary: Tensor) -> Tensor:
    """Return the largest 4-connected component of a bool ``[H, W]``; nothing stays nothing."""
    labels, found = ndimage.label(binary.cpu().numpy())
    if not found:
        return binary
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return torch.from_numpy(labels == sizes.argmax()).to(binary.device)


def _check(saliency: Tensor, mask: Tensor) -> None:
    if saliency.shape != mask.shape or saliency.ndim != 2 or not saliency.numel():
        raise ValueError(
            f"saliency {tuple(saliency.shape)} and mask {tuple(mask.shape)} must be [H, W] alike"
        )
    low, high = saliency.aminmax()
    if not bool(torch.isfinite(high - low)):
        raise ValueError("saliency holds values that are not finite")


def _min_max(values: Tensor) -> Tensor:
    low, high = values.aminmax()
    varied = high > low
    return (values - low * varied).div_(torch.where(varied, high - low, torch.ones_like(high)))


def _codes(values: Tensor, protocol: Protocol) -> Tensor:
    levels = values * 255
    if protocol.comparison == ">=":  # the toolboxes truncate to uint8: no snapping here
        return levels.long().add_(1).clamp_(max=protocol.thresholds)
    nearest = levels.round()
    snapped = torch.where((levels - nearest).abs() < _SNAP, nearest, levels)
    return snapped.ceil_().long().clamp_(max=protocol.thresholds)
