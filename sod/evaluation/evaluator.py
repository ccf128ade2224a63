"""Metrics of one dataset under one protocol, with and without refinement of the maps."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.distributed import gather
from sod.data.maps import check_map
from sod.data.samples import Sample
from sod.evaluation.gallery import Gallery
from sod.evaluation.groups import GroupSums
from sod.evaluation.image_results import ImageResults, collected
from sod.metrics.catalogue import MEASURES
from sod.metrics.collection import SaliencyMetrics
from sod.metrics.functional import Measured, curve_names, needed_curves
from sod.metrics.prepare import resize_saliency
from sod.metrics.protocols import get_protocol
from sod.refinement.calibration import NONE, Calibrations, finished
from sod.refinement.kinds import Refinement

Row = dict[str, Any]


@dataclass
class Result:
    """Results of one method on one dataset.

    Attributes:
        dataset: Name of the test set.
        rows: One row per refinement, with the keys of ``metrics.json``.
        per_image: One row per image and refinement.
        curves: Curves of ``SaliencyMetrics.curves`` by label (``METHOD`` or
            ``METHOD+REFINEMENT``).
        gallery: Thumbnails of the best, median and worst images.
        images: Results of every image, by label.
        per_group: One row per group and refinement, and their means; empty without groups.
    """

    dataset: str
    rows: list[Row]
    per_image: list[Row]
    curves: dict[str, dict[str, Tensor]]
    gallery: Gallery
    images: dict[str, ImageResults] = field(default_factory=dict)
    per_group: list[Row] = field(default_factory=list)


class MeasuredMap(NamedTuple):
    """The results of one image with one refinement.

    Attributes:
        map: As measured, ``[h, w]``: refined, and resized to the mask.
        measured: Its measures.
        seconds: Time of the method and of the refinement.
    """

    map: Tensor
    measured: Measured
    seconds: float


class Evaluator:
    """Accumulates the metrics of one dataset: sums, and one row of measures per image.

    Args:
        method: Name of the method in the rows.
        dataset: Name of the test set.
        protocol: Name of the metric protocol.
        refinements: Refinements to evaluate, one row of the result each.
        gallery: Gallery to add the images to, shared by methods that are shown side by side, or
            None for a new one.
        measures: Names of the measures.

    Attributes:
        calibrations: How maps are changed after each refinement.
    """

    def __init__(
        self,
        method: str,
        dataset: str,
        protocol: str,
        refinements: Sequence[Refinement],
        gallery: Gallery | None = None,
        measures: Sequence[str] = MEASURES,
    ) -> None:
        self.method = method
        self.gallery = gallery or Gallery()
        self.dataset = dataset
        self.protocol = get_protocol(protocol)
        self.calibrations: Calibrations = NONE
        self.measures = tuple(measures)
        self.metrics = {
            kind: SaliencyMetrics(self.protocol, kind != "none", self.measures)
            for kind in refinements
        }
        self.groups = {kind: GroupSums(self.protocol, self.measures) for kind in refinements}
        needed = needed_curves(self.measures, self.protocol)
        self._curves = [curve_names(self.measures).index(name) for name in needed]
        self.images: dict[Refinement, list[tuple[str, Measured]]] = {
            kind: [] for kind in refinements
        }
        self.per_image: list[Row] = []
        self.peaks: list[float] = []  # of runs whose results were added

    def update(
        self, sample: Sample, image: Tensor, mask: Tensor, saliency: Tensor, seconds: float
    ) -> dict[Refinement, Tensor]:
        """Add one image.

        Args:
            sample: Sample that names the image.
            image: ``[3, H, W]`` in [0, 1], the guide of the refinement.
            mask: uint8 ``[h, w]`` at its original size.
            saliency: ``[1, H, W]`` in [0, 1].
            seconds: Time of the method for this image; the refinement's time is added to it.

        Returns:
            The map ``[h, w]`` by refinement, as measured: refined, and resized to the mask.

        Raises:
            ImageError: The map is not finite.
        """
        measured = self.measure(sample, image, mask, saliency, seconds)
        self.add(sample, image, mask, measured)
        return {kind: part.map for kind, part in measured.items()}

    def measure(
        self, sample: Sample, image: Tensor, mask: Tensor, saliency: Tensor, seconds: float
    ) -> dict[Refinement, MeasuredMap]:
        """Return the results of one image without adding them, as any thread may do.

        Args:
            sample: As for :meth:`update`, like all others.
            image: ``[3, H, W]``.
            mask: ``[h, w]``.
            saliency: ``[1, H, W]``.
            seconds: Time of the method.

        Raises:
            ImageError: The map is not finite.
        """
        check_map(saliency, sample.image)
        return {kind: self._measure(kind, image, mask, saliency, seconds) for kind in self.metrics}

    def add(
        self,
        sample: Sample,
        image: Tensor,
        mask: Tensor,
        measured: Mapping[Refinement, MeasuredMap],
    ) -> None:
        """Add the results of one image to the sums, the rows and the gallery."""
        for kind, part in measured.items():
            measures = self.metrics[kind].add(part.measured)
            self._keep(kind, sample, part.measured)
            self.per_image.append(
                {"dataset": self.dataset, "name": sample.name, "refine": kind, **measures}
                | {"seconds": part.seconds}
            )
            name = method_label(self.method, kind)
            self.gallery.offer(name, sample.name, image, mask, part.map, measures["iou"])

    def _measure(
        self, kind: Refinement, image: Tensor, mask: Tensor, saliency: Tensor, seconds: float
    ) -> MeasuredMap:
        """Refine, resize and measure one map."""
        start = time.perf_counter()
        fitted = _fitted(saliency, image, kind)[None]
        refined = finished(image[None], fitted, kind, self.calibrations)
        if refined.is_cuda:
            torch.cuda.synchronize(refined.device)
        total = seconds + (time.perf_counter() - start if kind != "none" else 0.0)
        size = (mask.shape[0], mask.shape[1])
        resized = resize_saliency(refined[0, 0], size, self.protocol)
        colours = image if "camouflage_context" in self.measures else None
        if colours is not None and colours.shape[-2:] != mask.shape:
            colours = resize_saliency(colours, size, self.protocol)
        metrics = self.metrics[kind]
        if metrics.device != resized.device:
            metrics.to(resized.device)
        return MeasuredMap(resized, metrics.measured(resized, mask, colours), total)

    def _keep(self, kind: Refinement, sample: Sample, measured: Measured) -> None:
        """Keep what the statistics over groups and over images need of one image."""
        self.groups[kind].add(sample.group, measured)
        values, curves, counts = (part.float().cpu() for part in measured)
        kept = Measured(values, curves[self._curves].clone(), counts)
        self.images[kind].append((sample.name, kept))

    def result(self) -> Result:
        """Gather the results of all processes; every process must call this."""
        order = list(self.metrics)
        rows = sorted(
            gather(self.per_image), key=lambda row: (order.index(row["refine"]), row["name"])
        )
        galleries = gather([self.gallery])
        means = [
            self._row(kind, [row for row in rows if row["refine"] == kind]) for kind in self.metrics
        ]
        curves = {
            method_label(self.method, kind): metrics.curves()
            for kind, metrics in self.metrics.items()
        }
        gallery = Gallery.merged(galleries) if len(galleries) > 1 else self.gallery
        groups = [
            {"dataset": self.dataset, "refine": kind, **row}
            for kind, sums in self.groups.items()
            for row in sums.rows()
        ]
        images = {
            method_label(self.method, kind): collected(
                self.protocol, self.measures, gather(self.images[kind])
            )
            for kind in self.metrics
        }
        return Result(self.dataset, means, rows, curves, gallery, images, groups)

    def _row(self, kind: Refinement, per_image: list[Row]) -> Row:
        measures = self.metrics[kind].compute()
        seconds = sum(row["seconds"] for row in per_image) / max(len(per_image), 1)
        own = [peak for peak in gather([peak_memory()]) if peak is not None]
        peaks = self.peaks or own
        return {
            "method": self.method,
            "dataset": self.dataset,
            "images": len(per_image),
            "refine": kind,
            "protocol": self.protocol.name,
            **measures,
            "seconds_per_image": seconds,
            **({"peak_memory_mb": max(peaks)} if peaks else {}),
        }


def peak_memory() -> float | None:
    """Return the peak memory of this process in MiB: the GPU's if it was used, else the host's.

    Python on Windows does not measure the host's; the result is then None.
    """
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _fitted(saliency: Tensor, image: Tensor, kind: Refinement) -> Tensor:
    """Resize a map to its image if it is to be refined: saved maps may have any size."""
    size = image.shape[-2:]
    if kind == "none" or saliency.shape[-2:] == size:
        return saliency
    return F.interpolate(saliency[None], size, mode="bilinear", align_corners=False)[0]


def method_label(method: str, kind: str) -> str:
    """Return the label of a method with a refinement, such as ``TokenCut+bilateral``."""
    return method if kind == "none" else f"{method}+{kind}"
