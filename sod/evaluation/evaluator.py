"""Evaluation: metrics of every test set under one protocol, for each refinement asked for."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.distributed import gathered
from sod.core.errors import SodError, suggest
from sod.data.samples import Sample
from sod.evaluation.gallery import Gallery
from sod.metrics.collection import SaliencyMetrics
from sod.metrics.prepare import resize_saliency
from sod.metrics.protocols import get_protocol
from sod.refine.refinement import REFINEMENTS, Refinement, refine

Row = dict[str, Any]


def parse_refinements(text: str) -> list[Refinement]:
    """Split ``none,bilateral``.

    Raises:
        SodError: A refinement is unknown.
    """
    chosen: list[Refinement] = []
    for name in text.split(","):
        match = next((kind for kind in REFINEMENTS if kind == name.strip()), None)
        if match is None:
            raise SodError(
                f"--refine {name.strip()}: unknown.{suggest(name, REFINEMENTS)} "
                f"Known: {', '.join(REFINEMENTS)}."
            )
        chosen.append(match)
    return chosen


@dataclass
class Result:
    """What the evaluation of one dataset gave.

    Attributes:
        dataset: The test set.
        rows: One per refinement, with the keys of ``metrics.json``.
        per_image: One row per image and refinement.
        curves: By label (the method, or ``METHOD+REFINEMENT``), as ``SaliencyMetrics.curves``.
        gallery: The best, median and worst cases.
    """

    dataset: str
    rows: list[Row]
    per_image: list[Row]
    curves: dict[str, dict[str, Tensor]]
    gallery: Gallery


class Evaluator:
    """Measures the saliency of one dataset's images; keeps sums and one short row per image.

    Args:
        method: The name that the rows carry.
        dataset: The name of the test set.
        protocol: The metric protocol's name.
        refinements: A row each in the result.
        gallery: Collects the cases; shared where several methods are shown side by side.
    """

    def __init__(
        self,
        method: str,
        dataset: str,
        protocol: str,
        refinements: Sequence[Refinement],
        gallery: Gallery | None = None,
    ) -> None:
        self.method = method
        self.gallery = gallery or Gallery()
        self.dataset = dataset
        self.protocol = get_protocol(protocol)
        self.metrics = {
            kind: SaliencyMetrics(self.protocol, refined=kind != "none") for kind in refinements
        }
        self.per_image: list[Row] = []

    def update(
        self, sample: Sample, image: Tensor, mask: Tensor, saliency: Tensor, seconds: float
    ) -> dict[Refinement, Tensor]:
        """Measure one image and return its map for each refinement.

        Args:
            sample: Names the image.
            image: ``[3, H, W]`` in [0, 1], the guide of the refinement.
            mask: uint8 ``[h, w]`` at its original size.
            saliency: ``[1, H, W]`` in [0, 1].
            seconds: What the method took for it; the refinement's time is added.
        """
        maps: dict[Refinement, Tensor] = {}
        for kind, metrics in self.metrics.items():
            start = time.perf_counter()
            refined = refine(image[None], _fitted(saliency, image, kind)[None], kind)
            if refined.is_cuda:
                torch.cuda.synchronize(refined.device)
            taken = seconds + (time.perf_counter() - start if kind != "none" else 0.0)
            height, width = mask.shape
            resized = resize_saliency(refined[0, 0], (height, width), self.protocol)
            measures = metrics.to(resized.device).update(resized, mask)
            self.per_image.append(
                {"dataset": self.dataset, "name": sample.name, "refine": kind, **measures}
                | {"seconds": taken}
            )
            maps[kind] = resized
            name = label(self.method, kind)
            self.gallery.offer(name, sample.name, image, mask, resized, measures["iou"])
        return maps

    def result(self) -> "Result":
        """Bring the figures of all processes together; every process must call it."""
        order = list(self.metrics)
        rows = sorted(
            gathered(self.per_image), key=lambda row: (order.index(row["refine"]), row["name"])
        )
        galleries = gathered([self.gallery])
        return Result(
            self.dataset,
            [
                self._row(kind, [row for row in rows if row["refine"] == kind])
                for kind in self.metrics
            ],
            rows,
            {label(self.method, kind): metrics.curves() for kind, metrics in self.metrics.items()},
            Gallery.merged(galleries) if len(galleries) > 1 else self.gallery,
        )

    def _row(self, kind: Refinement, per_image: list[Row]) -> Row:
        measures = self.metrics[kind].compute()
        seconds = sum(row["seconds"] for row in per_image) / max(len(per_image), 1)
        return {
            "method": self.method,
            "dataset": self.dataset,
            "images": len(per_image),
            "refine": kind,
            "protocol": self.protocol.name,
            **measures,
            "seconds_per_image": seconds,
            "peak_memory_mb": max(gathered([peak_memory()])),
        }


def peak_memory() -> float:
    """Return this process's peak memory in MiB: the GPU's where one was used, else the host's."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _fitted(saliency: Tensor, image: Tensor, kind: Refinement) -> Tensor:
    """Give a map its image's size where it is to be refined: a saved map may have any size."""
    size = image.shape[-2:]
    if kind == "none" or saliency.shape[-2:] == size:
        return saliency
    return F.interpolate(saliency[None], size, mode="bilinear", align_corners=False)[0]


def label(method: str, kind: Refinement) -> str:
    """Return the name of a method together with its refinement, as ``TokenCut+bilateral``."""
    return method if kind == "none" else f"{method}+{kind}"
