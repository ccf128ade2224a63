"""Tuning: the features of a backbone that cut objects best, found without masks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import state_checksum
from sod.data.reading import read_image_tensor
from sod.data.samples import Sample
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig, build_with_every_tap
from sod.tuning.choice import Tuned, write_tuned
from sod.tuning.configurations import TAUS, Configuration, configurations
from sod.tuning.cuts import ImageCuts
from sod.tuning.report import draw_cuts, draw_heat_map, explain, published_index, write_scores
from sod.tuning.scores import Scores, score_configurations
from sod.tuning.store import CutStore

VERSION = 1
SHOWN = 6
T = TypeVar("T")


class Progress(Protocol):
    """Shows the progress of a loop."""

    def __call__(self, items: Iterable[T], total: int, description: str) -> Iterator[T]:
        """Yield the items."""


@dataclass(frozen=True)
class TuneOptions:
    """What is tuned, and how thoroughly.

    Args:
        backbone: The backbone; its feature is what is chosen.
        taus: The thresholds that are compared.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbone.
    """

    backbone: BackboneConfig
    taus: tuple[float, ...] = TAUS
    max_tokens: int = 1600
    device: str = "cpu"


@dataclass(frozen=True)
class Tuning:
    """The result of a tuning.

    Attributes:
        tuned: The chosen descriptor.
        chosen: All configurations.
        scores: Their scores.
        explanation: Three lines that say what was chosen and why.
        failures: One line for each image that could not be read.
    """

    tuned: Tuned
    chosen: list[Configuration]
    scores: Scores
    explanation: str
    failures: list[str]


def evenly_spaced(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return ``count`` samples at equal distances, or all if there are fewer."""
    count = min(count, len(samples))
    return [samples[number * len(samples) // count] for number in range(count)]


def tune(
    samples: Sequence[Sample], folder: Path, options: TuneOptions, progress: Progress
) -> Tuning:
    """Choose the features of a backbone for normalized cuts on images without masks.

    Writes ``tuned.yaml``, ``scores.csv``, ``scores.png`` and ``cuts.png`` to the folder, and the
    cuts to ``cuts/``, from which an interrupted tuning continues.

    Args:
        samples: The images; masks are not opened.
        folder: The output folder.
        options: What is tuned.
        progress: Shows the progress of a loop.

    Raises:
        SodError: No image can be read, or the folder holds the cuts of other options.
    """
    backbone, taps = build_with_every_tap(options.backbone)
    backbone.to(options.device)
    chosen = configurations(taps, options.taus)
    store = CutStore(folder / "cuts", cut_settings(backbone, options))
    readable: list[tuple[Sample, ImageCuts]] = []
    failures: list[str] = []
    results = store.fill(samples, backbone, options.taus, options.max_tokens)
    for sample, result in progress(results, len(samples), "cuts"):
        if isinstance(result, str):
            failures.append(result)
        else:
            readable.append((sample, result))
    if not readable:
        raise SodError(f"--data.train: none of the {len(samples)} images can be read")
    read, cuts = [list(part) for part in zip(*readable, strict=True)]
    scores = score_configurations(chosen, cuts, lambda: _images(read, progress))
    explanation = explain(chosen, scores, published_index(chosen), len(read))
    tuned = _tuned(options.backbone, chosen[scores.best])
    _write(folder, tuned, explanation, chosen, scores, read, cuts)
    return Tuning(tuned, chosen, scores, explanation, failures)


def cut_settings(backbone: Backbone, options: TuneOptions) -> dict[str, Any]:
    """Return what the cuts of an image depend on, as JSON values.

    Args:
        backbone: The backbone with every tap.
        options: What is tuned.
    """
    return {
        "version": VERSION,
        "name": options.backbone.name,
        "pos_embed": options.backbone.pos_embed,
        "weights_sha256": state_checksum(backbone.state_dict()),
        "taus": list(options.taus),
        "max_tokens": options.max_tokens,
    }


def _images(samples: Sequence[Sample], progress: Progress) -> Iterator[Tensor]:
    images = (read_image_tensor(sample.image) for sample in samples)
    return progress(images, len(samples), "consensus")


def _tuned(config: BackboneConfig, best: Configuration) -> Tuned:
    weights = config.weights
    if weights not in (None, "hub"):
        weights = str(Path(weights).resolve())
    tap = best.tap
    backbone = replace(config, weights=weights, facet=tap.facet, block=tap.block, extra_features=[])
    return Tuned(backbone, best.tau)


def _write(
    folder: Path,
    tuned: Tuned,
    explanation: str,
    chosen: Sequence[Configuration],
    scores: Scores,
    samples: Sequence[Sample],
    cuts: Sequence[ImageCuts],
) -> None:
    write_scores(chosen, scores, folder / "scores.csv")
    draw_heat_map(chosen, scores, folder / "scores.png")
    columns = {
        f"{kind}: {chosen[index]}": index
        for kind, index in (
            ("best", scores.best),
            ("published", published_index(chosen)),
            ("median", scores.median),
        )
    }
    shown = range(0, len(samples), max(1, len(samples) // SHOWN))[:SHOWN]
    images = [read_image_tensor(samples[number].image) for number in shown]
    draw_cuts(images, [cuts[number] for number in shown], columns, folder / "cuts.png")
    write_tuned(tuned, explanation, folder / "tuned.yaml")
