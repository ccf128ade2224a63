"""Evaluation of saved maps, of whatever system wrote them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sod.core.errors import ImageError, SodError
from sod.data.reading import read_image, read_mask
from sod.data.samples import Sample, is_junk
from sod.evaluation.callback import save_maps
from sod.evaluation.evaluator import Evaluator, Result
from sod.evaluation.gallery import Gallery
from sod.refine.refinement import Refinement

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")


@dataclass
class Findings:
    """What does not fit between a folder of maps and a dataset; empty where all is well.

    Attributes:
        folder: The folder of maps.
        dataset: The test set.
        missing: Images without a map; they are not measured.
        extra: Maps without an image.
        resized: Maps of another size than their mask; they are measured resized.
    """

    folder: Path
    dataset: str
    missing: list[str]
    extra: list[str]
    resized: list[str]

    def lines(self) -> list[str]:
        """Return one line per kind of finding."""
        kinds = {
            "without a map, not measured": self.missing,
            "maps without an image": self.extra,
            "maps of another size, resized": self.resized,
        }
        return [
            f"{self.folder} on {self.dataset}: {len(names)} {kind}: {', '.join(names[:8])}"
            + (", ..." if len(names) > 8 else "")
            for kind, names in kinds.items()
            if names
        ]


def evaluate_maps(
    folder: Path,
    dataset: str,
    samples: Sequence[Sample],
    protocol: str,
    refinements: Sequence[Refinement],
    gallery: Gallery | None = None,
    label: str | None = None,
    save: Path | None = None,
) -> tuple[Result, Findings]:
    """Measure the maps of one folder on one dataset.

    Args:
        folder: Holds ``NAME.png`` (or .jpg, .npy, ...) per image, directly or in a sub-folder
            called as the dataset.
        dataset: The dataset's name.
        samples: Its images and masks.
        protocol: The metric protocol's name.
        refinements: A row each.
        gallery: Shared by several folders, for pictures side by side.
        label: The name in tables; by default the folder's.
        save: Folder for the maps as they were measured (resized, refined), or None.

    Raises:
        SodError: The folder is absent, has no map of the dataset, or a map cannot be read.
    """
    files = _index(folder, dataset)
    known = [sample for sample in samples if sample.name in files]
    if not known:
        raise SodError(
            f"--maps {folder}: holds no map for {dataset}: expected, for example, "
            f"{samples[0].name}.png."
        )
    names = {sample.name for sample in samples}
    findings = Findings(
        folder,
        dataset,
        [sample.name for sample in samples if sample.name not in files],
        sorted(files.keys() - names),
        [],
    )
    name = label or folder.resolve().name
    evaluator = Evaluator(name, dataset, protocol, refinements, gallery)
    for sample in known:
        image, mask, saliency = _load(sample, files[sample.name])
        if saliency.shape[-2:] != mask.shape:
            findings.resized.append(sample.name)
        measured = evaluator.update(sample, image, mask, saliency, seconds=0.0)
        if save is not None:
            save_maps(save, evaluator, sample, measured)
    result = evaluator.result()
    for row in result.rows:
        del row["seconds_per_image"], row["peak_memory_mb"]  # of the maps' maker: unknown
    return result, findings


def read_map(path: Path) -> Tensor:
    """Read a saved map as float32 ``[H, W]`` in [0, 1]; 8-bit files and arrays are divided by 255.

    Raises:
        ImageError: The file cannot be read, or an array is not ``[H, W]`` in [0, 1] or uint8.
    """
    if path.suffix.lower() != ".npy":
        return torch.from_numpy(read_mask(path)).float() / 255
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"{path}: cannot be read as an array: {error}") from error
    if values.ndim > 2 and values.size == values.shape[-2] * values.shape[-1]:
        values = values.reshape(values.shape[-2:])
    if values.dtype == np.uint8:
        values = values / 255
    if values.ndim != 2 or not np.all((values >= 0) & (values <= 1)):
        raise ImageError(f"{path}: expected an array [H, W] in [0, 1], or of uint8.")
    return torch.from_numpy(values.astype(np.float32))


def _load(sample: Sample, file: Path) -> tuple[Tensor, Tensor, Tensor]:
    if sample.mask is None:
        raise SodError(f"{sample.image}: has no mask to be measured with.")
    image = torch.from_numpy(read_image(sample.image)).permute(2, 0, 1).float() / 255
    return image, torch.from_numpy(read_mask(sample.mask)), read_map(file)[None]


def _index(folder: Path, dataset: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise SodError(f"--maps {folder}: there is no such folder.")
    base = folder / dataset if (folder / dataset).is_dir() else folder
    files = [path for path in _walk(base) if path.suffix.lower() in SUFFIXES]
    return {path.relative_to(base).with_suffix("").as_posix(): path for path in files}


def _walk(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if not is_junk(path.name))
