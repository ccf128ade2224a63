"""Bounded selection of the best, median and worst images of a dataset, as thumbnails."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.data.levels import from_levels, to_levels


@dataclass
class Case:
    """Thumbnails of one image, its mask and its maps.

    Attributes:
        name: Name of the image.
        image: uint8 ``[h, w, 3]``.
        mask: uint8 ``[h, w]``.
        maps: uint8 ``[h, w]`` by method.
        scores: IoU by method.
    """

    name: str
    image: Tensor
    mask: Tensor
    maps: dict[str, Tensor] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)


class Gallery:
    """Keeps thumbnails of the best, median and worst images of a dataset.

    The IoU of the first method selects the images; later methods add their maps to these images.
    Memory does not grow with the dataset: besides the extremes, images at evenly spaced positions
    are kept, and those of them nearest to the median are the median cases.

    Args:
        cases: Number of images of each kind.
        pool: Largest number of evenly spaced images to select the median cases from.
        height: Height of a thumbnail in pixels.
    """

    def __init__(self, cases: int = 2, pool: int = 64, height: int = 240) -> None:
        self.cases = cases
        self.pool = pool
        self.height = height
        self.first = ""
        self.iou: list[float] = []
        self._step = 1
        self._best: list[Case] = []
        self._worst: list[Case] = []
        self._spaced: list[Case] = []

    def offer(
        self, method: str, name: str, image: Tensor, mask: Tensor, saliency: Tensor, iou: float
    ) -> None:
        """Add the result of one method on one image, if it is among the selected ones.

        Args:
            method: Label of the method, the heading of its column.
            name: Name of the image, unique in the dataset.
            image: float ``[3, H, W]`` in [0, 1].
            mask: uint8 ``[H, W]``.
            saliency: float ``[H, W]`` in [0, 1].
            iou: IoU of the map.
        """
        self.first = self.first or method
        if method != self.first:
            for case in self._kept():
                if case.name == name:
                    self._attach(case, method, saliency, iou)
            return
        position = len(self.iou)
        self.iou.append(iou)
        spaced = position % self._step == 0
        if not (spaced or self._is_extreme(iou)):
            return
        case = Case(
            name, thumbnail(image, self.height), thumbnail(from_levels(mask[None]), self.height)
        )
        self._attach(case, method, saliency, iou)
        self._best = self._nearest([*self._best, case], float("inf"))
        self._worst = self._nearest([*self._worst, case], float("-inf"))
        if spaced:
            self._spaced.append(case)
            if len(self._spaced) > self.pool:
                self._spaced, self._step = self._spaced[::2], 2 * self._step

    def chosen(self) -> dict[str, list[Case]]:
        """Return the cases by kind (``best``, ``median``, ``worst``), each case once."""
        if not self.iou:
            return {"best": [], "median": [], "worst": []}
        median = float(torch.tensor(self.iou, dtype=torch.float64).median())
        seen: set[str] = set()
        chosen: dict[str, list[Case]] = {}
        middle = self._ordered(self._spaced, median)
        for kind, cases in (("best", self._best), ("worst", self._worst), ("median", middle)):
            fresh = [case for case in cases if case.name not in seen][: self.cases]
            seen.update(case.name for case in fresh)
            chosen[kind] = fresh
        return {kind: chosen[kind] for kind in ("best", "median", "worst")}

    @classmethod
    def merged(cls, galleries: Iterable["Gallery"]) -> "Gallery":
        """Merge the galleries of several processes that evaluated the same methods."""
        parts = list(galleries)
        whole = cls(parts[0].cases, parts[0].pool, parts[0].height)
        whole.first = next((part.first for part in parts if part.first), "")
        whole.iou = [iou for part in parts for iou in part.iou]
        whole._spaced = [case for part in parts for case in part._spaced]
        kept = [case for part in parts for case in part._kept()]
        unique = list({case.name: case for case in kept}.values())
        whole._best = whole._nearest(unique, float("inf"))
        whole._worst = whole._nearest(unique, float("-inf"))
        return whole

    def _kept(self) -> list[Case]:
        kept = [*self._best, *self._worst, *self._spaced]
        return list({id(case): case for case in kept}.values())

    def _attach(self, case: Case, method: str, saliency: Tensor, iou: float) -> None:
        case.maps[method] = thumbnail(saliency[None], self.height)
        case.scores[method] = iou

    def _is_extreme(self, iou: float) -> bool:
        if len(self._best) < self.cases:
            return True
        best, worst = self._best[-1].scores[self.first], self._worst[-1].scores[self.first]
        return iou > best or iou < worst

    def _nearest(self, cases: list[Case], target: float) -> list[Case]:
        return self._ordered(cases, target)[: self.cases]

    def _ordered(self, cases: list[Case], target: float) -> list[Case]:
        """Sort by distance of the IoU to a target; an infinite target sorts by IoU itself."""

        def key(case: Case) -> tuple[float, str]:
            iou = case.scores[self.first]
            infinite = target in (float("inf"), float("-inf"))
            return (-iou if target > 0 else iou) if infinite else abs(iou - target), case.name

        return sorted(cases, key=key)


def thumbnail(picture: Tensor, height: int) -> Tensor:
    """Shrink float ``[C, H, W]`` in [0, 1] to uint8 ``[h, w, C]``, or ``[h, w]`` for C = 1."""
    rows, columns = picture.shape[-2:]
    size = (height, max(round(columns * height / rows), 1))
    small = F.interpolate(
        picture[None].float(), size, mode="bilinear", align_corners=False, antialias=True
    )[0]
    levels = to_levels(small).cpu()
    return levels[0] if len(levels) == 1 else levels.permute(1, 2, 0).contiguous()
