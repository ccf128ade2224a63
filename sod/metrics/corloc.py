"""CorLoc: the share of images whose predicted box localises an object."""

import torch
from torch import Tensor
from torchmetrics import Metric

from sod.core.errors import SodError
from sod.core.precision import float64_device
from sod.metrics.boxes import box_iou, mask_box
from sod.refinement.masks import largest_component

_OVERLAP = 0.5


def is_found(box: Tensor | None, boxes: Tensor) -> bool:
    """Return whether a predicted box overlaps an annotated box with an IoU of at least 0.5.

    Args:
        box: The predicted box ``[4]``: x0, y0, x1, y1 in pixels; None (no prediction) is a miss.
        boxes: The annotated boxes ``[N, 4]``, on any device; an image without any is a miss.
    """
    if box is None or not len(boxes):
        return False
    return bool((box_iou(box.cpu().double(), boxes.cpu().double()) >= _OVERLAP).any())


def saliency_box(saliency: Tensor) -> Tensor | None:
    """Return the box ``[4]`` of a map's largest 4-connected component above 0.5, or None.

    The component is found on the CPU, and the box is there.

    Args:
        saliency: Float ``[H, W]`` in [0, 1].
    """
    return mask_box(largest_component((saliency > 0.5).cpu()[None, None])[0, 0])


class CorLoc(Metric):
    """Correct localisation over a data set, in [0, 1].

    Images without a predicted box count as misses, as do images without annotated boxes (the
    published sets contain none). Counts are summed over processes.

    Source: Deselaers et al., ECCV 2010; as used by LOST, TokenCut, FOUND and PEEKABOO.
    """

    full_state_update = False
    found: Tensor
    images: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("found", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, box: Tensor | None, boxes: Tensor) -> None:
        """Add one image.

        Args:
            box: The predicted box ``[4]``, or None.
            boxes: The annotated boxes ``[N, 4]``.
        """
        self.found += is_found(box, boxes)
        self.images += 1

    def compute(self) -> Tensor:
        """Return the share of images whose box is correct, float64 scalar.

        Raises:
            SodError: No image was added on any process.
        """
        if self.images == 0:
            raise SodError("CorLoc: no image was measured; are there boxes for these images?")
        found = self.found.to(float64_device(self.found.device)).double()
        return found / self.images.to(found.device)
