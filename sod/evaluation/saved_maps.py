"""Saved saliency maps: writing those of an evaluation, and evaluating folders of any source."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.data.maps import read_map, write_map
from sod.data.reading import read_image, read_mask, to_tensor
from sod.data.samples import Sample
from sod.data.working_size import at_working_size
from sod.evaluation.evaluator import Evaluator, Result, method_label
from sod.evaluation.gallery import Gallery
from sod.evaluation.map_sources import MapSource, map_files
from sod.evaluation.plan import Missing, Plan
from sod.refinement.kinds import Refinement


@dataclass
class Findings:
    """Mismatches between a folder of maps and a dataset; the lists are empty if there are none.

    Attributes:
        folder: Folder of the maps.
        dataset: Name of the test set.
        missing: Images without a map.
        extra: Maps without an image.
        resized: Maps whose size differs from their mask's; they are resized and measured.
        scored: Whether the missing maps are scored as empty ones; otherwise they are left out.
    """

    folder: str
    dataset: str
    missing: list[str]
    extra: list[str]
    resized: list[str]
    scored: bool = False

    def lines(self) -> list[str]:
        """Return one message per kind of mismatch."""
        kinds = {
            f"without a map, {'scored as empty' if self.scored else 'not measured'}": self.missing,
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
    source: MapSource,
    dataset: str,
    samples: Sequence[Sample],
    plan: Plan,
    gallery: Gallery | None = None,
    save: Path | None = None,
) -> tuple[Result, Findings]:
    """Evaluate the maps of one folder on one dataset.

    Args:
        source: Folder or pattern, with the name of the method.
        dataset: Name of the dataset.
        samples: Images and masks of the dataset.
        plan: Protocol, refinements, measures, and what to do about missing maps.
        gallery: Gallery to add the images to, shared by several folders, or None for a new one.
        save: Folder for the maps as measured (resized, refined), or None.

    Returns:
        The result, without times and memory, and the mismatches of names and sizes. Rows of an
        incomplete set have the number of images without a map as ``missing``, or as ``empty`` if
        they are scored as empty maps.

    Raises:
        SodError: The folder is absent, has no map of the dataset, or lacks maps where the plan
            refuses that; or a map cannot be read.
    """
    files = map_files(source, dataset)
    findings = _compare_names(source, dataset, samples, set(files), plan.missing)
    evaluator = Evaluator(
        source.label, dataset, plan.protocol, plan.refinements, gallery, plan.measures
    )
    for sample in samples:
        file = files.get(sample.name)
        if file is None and plan.missing != "empty":
            continue
        image, mask, saliency = _load(sample, file)
        if file is not None and saliency.shape[-2:] != mask.shape:
            findings.resized.append(sample.name)
        measured = evaluator.update(sample, image, mask, saliency, seconds=0.0)
        if save is not None:
            save_maps(save, evaluator, sample, measured)
    result = evaluator.result()
    for row in result.rows:  # the time and memory that the maps took are unknown
        row.pop("seconds_per_image")
        row.pop("peak_memory_mb", None)
        if findings.missing:
            row["empty" if plan.missing == "empty" else "missing"] = len(findings.missing)
    return result, findings


def _compare_names(
    source: MapSource, dataset: str, samples: Sequence[Sample], found: set[str], missing: Missing
) -> Findings:
    """Return which maps are missing, and which belong to no sample."""
    names = {sample.name for sample in samples}
    if not names & found:
        raise SodError(
            f"--maps {source}: holds no map for {dataset}: expected, for example, "
            f"{samples[0].name}.png; a pattern such as 'maps/*_sal.png' names other files."
        )
    absent = [sample.name for sample in samples if sample.name not in found]
    findings = Findings(str(source), dataset, absent, sorted(found - names), [], missing == "empty")
    if absent and missing == "refuse":
        raise SodError(
            f"--maps {findings.lines()[0]}; --strict refuses incomplete sets, "
            "--missing empty scores them as empty maps."
        )
    return findings


def _load(sample: Sample, file: Path | None) -> tuple[Tensor, Tensor, Tensor]:
    if sample.mask is None:
        raise SodError(f"{sample.image}: has no mask to be measured with.")
    image = to_tensor(at_working_size(read_image(sample.image)))
    mask = torch.from_numpy(read_mask(sample.mask))
    saliency = torch.zeros(mask.shape) if file is None else read_map(file)
    return image, mask, saliency[None]
