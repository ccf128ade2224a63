"""Bounding boxes of masks, and their overlap."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from sod.core.precision import float64_device


def mask_box(mask: Tensor) -> Tensor | None:
    """Return the tight box of a bool mask ``[H, W]``, or None if it is empty.

    The box is on the device of the mask, or on the CPU if that has no float64.

    Returns:
        Float64 ``[4]``: x0, y0, x1, y1 in pixels. x1 and y1 are exclusive: the box of a single
        pixel has area 1.
    """
    mask = mask.to(float64_device(mask.device))
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if not len(rows):
        return None
    corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return torch.cat(corners).double()


def component_boxes(mask: Tensor) -> Tensor:
    """Return the boxes, float64 ``[N, 4]``, of a mask's 4-connected components in raster order."""
    slices = ndimage.find_objects(ndimage.label(mask.cpu().numpy())[0])
    corners = [(x.start, y.start, x.stop, y.stop) for y, x in slices]
    return torch.from_numpy(np.array(corners, dtype=np.float64).reshape(-1, 4))


def box_iou(box: Tensor, boxes: Tensor) -> Tensor:
    """Return the IoU ``[N]`` of one box ``[4]`` with boxes ``[N, 4]``; 0 where both are empty."""
    low = torch.maximum(box[:2], boxes[:, :2])
    high = torch.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = (box[2:] - box[:2]).clamp(min=0).prod()
    union = area + (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) - shared
    return shared / torch.where(union > 0, union, torch.ones_like(union))
