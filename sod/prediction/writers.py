"""Prediction on a file or a folder: saliency maps, overlays and cut-outs, written as they come."""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.core.distributed import gathered
from sod.core.errors import SodError, suggest
from sod.data.dataset import Batch, SaliencyDataset
from sod.data.loader import Loader, default_workers
from sod.data.samples import Sample, discover_images
from sod.data.transforms import EvalTransform
from sod.engine.method import Prediction
from sod.refine.refinement import Refinement, refine

Output = Literal["map", "overlay", "cutout", "instances"]
TINT = np.array([230.0, 60.0, 40.0])


def find_sources(source: str) -> list[Sample]:
    """Return the image, or all images below a folder; names keep the folders.

    Two images whose names differ by the suffix only keep it in their names, so that neither
    result overwrites the other.

    Raises:
        SodError: There is nothing at ``source``, or no image in it.
    """
    path = Path(source)
    if path.is_file():
        return [Sample(path.stem, path, None)]
    if not path.is_dir():
        near = [str(entry) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SodError(
            f"--source {source}: there is no such file or folder.{suggest(source, near)}"
        )
    images = discover_images(path, recursive=True)
    if not images:
        raise SodError(f"--source {source}: there is no image in this folder.")
    names = [image.relative_to(path).with_suffix("").as_posix() for image in images]
    return [
        Sample(image.relative_to(path).as_posix() if names.count(name) > 1 else name, image, None)
        for image, name in zip(images, names, strict=True)
    ]


class SourceData(pl.LightningDataModule):
    """Loads own images in their own size; what cannot be read is collected, not raised.

    Args:
        samples: The images.
        num_workers: Worker processes; None: as many as the CPUs suggest.
    """

    def __init__(self, samples: list[Sample], num_workers: int | None) -> None:
        super().__init__()
        self.samples = samples
        self.num_workers = num_workers

    def predict_dataloader(self) -> Loader:
        """Return this process's share of the images, one at a time."""
        processes = self.trainer.world_size if self.trainer else 1
        workers = default_workers(processes) if self.num_workers is None else self.num_workers
        return Loader(
            SaliencyDataset(self.samples, EvalTransform(), with_masks=False),
            workers=min(workers, len(self.samples) - 1),
            on_error="collect",
            replicas=processes,
            rank=self.trainer.global_rank if self.trainer else 0,
        )


def parse_outputs(text: str) -> list[Output]:
    """Split ``map,overlay,cutout``.

    Raises:
        SodError: A kind is unknown.
    """
    known: tuple[Output, ...] = get_args(Output)
    chosen: list[Output] = []
    for name in text.split(","):
        match = next((kind for kind in known if kind == name.strip()), None)
        if match is None:
            hint = suggest(name, known) or f" Known: {', '.join(known)}."
            raise SodError(f"--output {name.strip()}: unknown.{hint}")
        chosen.append(match)
    return chosen


def render(image: NDArray[np.uint8], saliency: NDArray[np.float32], kind: Output) -> Image.Image:
    """Render one result.

    Args:
        image: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        kind: ``map`` (8-bit grey), ``overlay`` (the object tinted, the rest dimmed) or ``cutout``
            (RGBA, the saliency as opacity).
    """
    alpha = np.rint(saliency * 255).astype(np.uint8)
    if kind == "map":
        return Image.fromarray(alpha)
    if kind == "cutout":
        return Image.fromarray(np.dstack([image, alpha]))
    weight = saliency[..., None]
    grey = image.mean(axis=2, keepdims=True)
    mixed = weight * (0.65 * image + 0.35 * TINT) + (1 - weight) * (0.5 * image + 0.2 * grey)
    return Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


class PredictionWriter(pl.Callback):
    """Writes the results of each batch at once, and remembers the files that could not be read.

    Args:
        out: The folder for the results; one folder per kind in it.
        outputs: What to write.
        refinement: How the saliency is refined before it is written.
    """

    def __init__(self, out: Path, outputs: list[Output], refinement: Refinement) -> None:
        self.out = out
        self.outputs = outputs
        self.refinement: Refinement = refinement
        self.failures: list[str] = []
        self.written = 0

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction | Any,  # noqa: ANN401 - Lightning's own signature
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the maps of one batch."""
        self.failures += batch["errors"]
        if not batch["samples"]:
            return
        saliency = refine(batch["images"], outputs["saliency"], self.refinement)
        for sample, image, map_ in zip(batch["samples"], batch["images"], saliency, strict=True):
            self._write(sample, image, map_[0])

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather failures and counts from all devices."""
        self.failures = gathered(self.failures)
        self.written = sum(gathered([self.written]))

    def _write(self, sample: Sample, image: Tensor, saliency: Tensor) -> None:
        pixels = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        values = saliency.float().clamp(0, 1).cpu().numpy()
        for kind in self.outputs:
            if kind == "instances":  # sod.labels.writing.InstanceWriter writes those
                continue
            path = self.out / kind / f"{sample.name}.png"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                render(pixels, values, kind).save(path)
            except OSError as error:
                raise SodError(f"--out {path}: cannot be written: {error.strerror}.") from error
        self.written += 1
