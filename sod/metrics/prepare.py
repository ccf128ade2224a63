"""Preparation of a saliency map and its mask by the rules of a protocol."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import float64_device
from sod.metrics.protocols import MaskRule, Protocol
from sod.refinement.masks import largest_component

_SNAP = 1e-4  # grey levels; float32 represents k / 255 to about 1e-5 of a level


class Prepared(NamedTuple):
    """A saliency map and its mask after the protocol's rules are applied.

    Attributes:
        values: Float64 ``[H, W]`` in [0, 1], the map; all are on the CPU if the map's device has no
            float64.
        codes: Int16 ``[H, W]``, the number of the protocol's thresholds that each pixel passes.
        foreground: Bool ``[H, W]``, the binary mask.
    """

    values: Tensor
    codes: Tensor
    foreground: Tensor


def foreground(mask: Tensor, rule: MaskRule) -> Tensor:
    """Binarise a uint8 mask (0..255) of any shape; bool masks are returned unchanged."""
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
    """Apply the protocol's rules to the map and mask of one image.

    Args:
        saliency: Float ``[H, W]``, clamped to [0, 1].
        mask: Uint8 (0..255) or bool ``[H, W]``.
        protocol: The evaluation protocol.
        refined: Whether the map is refined; some protocols then binarise it at 0.5.

    Raises:
        ValueError: The shapes differ or are empty, or the map holds values that are not finite.
    """
    _check(saliency, mask)
    device = float64_device(saliency.device)
    values = saliency.detach().to(device).to(torch.float64, copy=True).clamp_(0, 1)
    if protocol.quantise:
        values.mul_(255).round_().div_(255)
    if protocol.normalise:
        values = _min_max(values)
    if protocol.is_binary(refined):
        binary = values > 0.5
        if protocol.components == "single":
            binary = largest_component(binary[None, None])[0, 0]
        values = binary.double()
    binary_mask = foreground(mask.to(device), protocol.mask_rule)
    return Prepared(values, _codes(values, protocol), binary_mask)


def resize_saliency(saliency: Tensor, size: tuple[int, int], protocol: Protocol) -> Tensor:
    """Resize a map ``[..., H, W]`` in [0, 1] to its mask's size by the protocol's rule.

    The resize is bilinear without aligned corners. Under ``nearest-if-binary`` a map that holds
    only 0 and 1 is resized by nearest neighbour, as in TokenCut's published masks.

    Args:
        saliency: The map ``[..., H, W]``.
        size: The mask's height and width (H', W') in pixels.
        protocol: The evaluation protocol.

    Returns:
        The map ``[..., H', W']``.
    """
    if tuple(saliency.shape[-2:]) == tuple(size):
        return saliency
    flat = saliency.reshape(1, -1, *saliency.shape[-2:])
    is_binary = bool(((saliency == 0) | (saliency == 1)).all())
    if protocol.resize == "nearest-if-binary" and is_binary:
        resized = F.interpolate(flat, size, mode="nearest")
    else:
        resized = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return resized.reshape(*saliency.shape[:-2], *size)


def mean_of(values: Tensor, protocol: Protocol) -> Tensor:
    """Return the mean, in NumPy's order of summation if the protocol requires it."""
    if protocol.numpy_means:
        return torch.tensor(values.cpu().numpy().mean(), device=values.device)
    return values.mean()


def _check(saliency: Tensor, mask: Tensor) -> None:
    if saliency.shape != mask.shape or saliency.ndim != 2 or not saliency.numel():
        shapes = f"saliency {tuple(saliency.shape)} and mask {tuple(mask.shape)}"
        raise ValueError(f"{shapes} must have the same non-empty shape [H, W]")
    low, high = saliency.aminmax()
    if not bool(torch.isfinite(high - low)):
        raise ValueError("saliency holds values that are not finite")


def _min_max(values: Tensor) -> Tensor:
    """Scale a map to [0, 1]; a constant map is returned unchanged."""
    low, high = values.aminmax()
    varied = high > low
    return (values - low * varied).div_(torch.where(varied, high - low, torch.ones_like(high)))


def _codes(values: Tensor, protocol: Protocol) -> Tensor:
    """Return the number of thresholds k / 255 that each pixel passes."""
    levels = values * 255
    if protocol.comparison == ">=":  # the original toolboxes truncate to uint8
        return levels.short().add_(1).clamp_(max=protocol.thresholds)
    # A level less than the snap above k does not pass the threshold k.
    return levels.sub_(_SNAP).ceil_().short().clamp_(max=protocol.thresholds)
