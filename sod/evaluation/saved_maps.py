"""Saved saliency maps: writing those of an evaluation, and evaluating folders of any source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.data.maps import read_map, write_map
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample, is_junk
from sod.evaluation.evaluator import Evaluator, Result, method_label
from sod.evaluation.gallery import Gallery
from sod.refinement.kinds import Refinement

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")


@dataclass
class Findings:
    """Mismatches between a folder of maps and a dataset; the lists are empty if there are none.

    Attributes:
        folder: Folder of the maps.
        dataset: Name of the test set.
        missing: Images without a map; they are not measured.
        extra: Maps without an image.
        resized: Maps whose size differs from their mask's; they are resized and measured.
    """

    folder: Path
    dataset: str
    missing: list[str]
    extra: list[str]
    resized: list[str]

    def lines(self) -> list[str]:
        """Return one message per kind of mismatch."""
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


def save_maps(
    folder: Path, evaluator: Evaluator, sample: Sample, maps: dict[Refinement, Tensor]
) -> None:
    """Write the maps of one image as ``FOLDER/METHOD[+REFINEMENT]/DATASET/NAME.png``.

    Raises:
        SodError: A file cannot be written.
    """
    for kind, saliency in maps.items():
        subfolder = folder / method_label(evaluator.method, kind) / evaluator.dataset
        write_map(subfolder / f"{sample.name}.png", saliency)


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
    """Evaluate the maps of one folder on one dataset.

    Args:
        folder: Folder with ``NAME.png`` (or .jpg, .npy, ...) per image, directly or in a
            sub-folder named after the dataset.
        dataset: Name of the dataset.
        samples: Images and masks of the dataset.
        protocol: Name of the metric protocol.
        refinements: Refinements to evaluate, one row each.
        gallery: Gallery to add the images to, shared by several folders, or None for a new one.
        label: Name in tables, or None for the folder's name.
        save: Folder for the maps as measured (resized, refined), or None.

    Returns:
        The result, without times and memory, and the mismatches of names and sizes.

    Raises:
        SodError: The folder is absent, has no map of the dataset, or a map cannot be read.
    """
    files = map_files(folder, dataset)
    findings = _compare_names(folder, dataset, samples, set(files))
    name = label or folder.resolve().name
    evaluator = Evaluator(name, dataset, protocol, refinements, gallery)
    for sample in (sample for sample in samples if sample.name in files):
        image, mask, saliency = _load(sample, files[sample.name])
        if saliency.shape[-2:] != mask.shape:
            findings.resized.append(sample.name)
        measured = evaluator.update(sample, image, mask, saliency, seconds=0.0)
        if save is not None:
            save_maps(save, evaluator, sample, measured)
    result = evaluator.result()
    for row in result.rows:  # the time and memory that the maps took are unknown
        row.pop("seconds_per_image")
        row.pop("peak_memory_mb", None)
    return result, findings


def _compare_names(
    folder: Path, dataset: str, samples: Sequence[Sample], found: set[str]
) -> Findings:
    """Return which maps are missing, and which belong to no sample."""
    names = {sample.name for sample in samples}
    if not names & found:
        raise SodError(
            f"--maps {folder}: holds no map for {dataset}: expected, for example, "
            f"{samples[0].name}.png."
        )
    missing = [sample.name for sample in samples if sample.name not in found]
    return Findings(folder, dataset, missing, sorted(found - names), [])


def _load(sample: Sample, file: Path) -> tuple[Tensor, Tensor, Tensor]:
    if sample.mask is None:
        raise SodError(f"{sample.image}: has no mask to be measured with.")
    image = read_image_tensor(sample.image)
    return image, torch.from_numpy(read_mask(sample.mask)), read_map(file)[None]


def map_files(folder: Path, dataset: str) -> dict[str, Path]:
    """Return the map files of a dataset by image name, in order.

    Args:
        folder: Folder of maps, directly or in a sub-folder named after the dataset.
        dataset: Name of the dataset.

    Raises:
        SodError: The folder is absent, or two of its maps share a name.
    """
    if not folder.is_dir():
        raise SodError(f"--maps {folder}: there is no such folder.")
    base = folder / dataset if (folder / dataset).is_dir() else folder
    files: dict[str, Path] = {}
    for path in (path for path in _walk(base) if path.suffix.lower() in SUFFIXES):
        name = path.relative_to(base).with_suffix("").as_posix()
        if name in files:
            raise SodError(
                f"--maps {folder}: {files[name].name} and {path.name} are maps of one image"
            )
        files[name] = path
    return files


def _walk(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if not is_junk(path.name))
