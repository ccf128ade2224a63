"""Boxes of objects: from masks, and compared with each other."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def mask_box(mask: Tensor) -> Tensor | None:
    """Return the tight box of a bool mask ``[H, W]``, or ``None`` if it is empty.

    Returns:
        float64 ``[4]``: x0, y0, x1, y1 in pixels; x1 and y1 lie beyond the last pixel, so a single
        pixel has a box of area 1.
    """
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if not len(rows):
        return None
    corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return torch.cat(corners).double()


def component_boxes(mask: Tensor) -> Tensor:
    """Return the boxes ``[N, 4]`` of a bool mask's 4-connected components, in raster order."""
    found = ndimage.find_objects(ndimage.label(mask.cpu().numpy())[0])
    corners = [(at[1].start, at[0].start, at[1].stop, at[0].stop) for at in found]
    return torch.from_numpy(np.array(corners, dtype=np.float64).reshape(-1, 4))


def box_iou(box: Tensor, boxes: Tensor) -> Tensor:
    """Return the IoU of one box ``[4]`` with each of ``boxes`` ``[N, 4]``; 0 for empty boxes."""
    low = torch.maximum(box[:2], boxes[:, :2])
    high = torch.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = (box[2:] - box[:2]).clamp(min=0).prod()
    union = area + (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) - shared
    return shared / torch.where(union > 0, union, torch.ones_like(union))
