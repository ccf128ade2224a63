"""Tuning: what of a backbone finds objects best, found without masks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sod.core.errors import SodError
from sod.data.reading import read_image_tensor
from sod.data.samples import Sample
from sod.nn.backbones.build import BackboneConfig
from sod.tuning.choice import Tuned, write_tuned
from sod.tuning.choices import Choices, choose
from sod.tuning.configurations import TAUS
from sod.tuning.rating import Progress, Rating, rate
from sod.tuning.report import (
    draw_cuts,
    draw_heat_map,
    explain,
    explain_choices,
    published_index,
    write_choices,
    write_scores,
)

SHOWN = 6


@dataclass(frozen=True)
class TuneOptions:
    """What is tuned, and how thoroughly.

    Args:
        backbones: The backbones of which one is chosen, one or more; their features have no effect.
        taus: The thresholds that are compared.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbones.
        heads: Whether to choose more than the cut: extra features, scales and propagation for
            trained heads, and options of the initial masks.
    """

    backbones: tuple[BackboneConfig, ...]
    taus: tuple[float, ...] = TAUS
    max_tokens: int = 1600
    device: str = "cpu"
    heads: bool = True


@dataclass(frozen=True)
class Tuning:
    """The result of a tuning.

    Attributes:
        tuned: The chosen descriptor.
        rating: All configurations of the chosen backbone, and their scores.
        explanation: A line on each choice.
        failures: One line for each image that could not be read.
    """

    tuned: Tuned
    rating: Rating
    explanation: str
    failures: list[str]


def evenly_spaced(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return ``count`` samples at equal distances, or all if there are fewer."""
    count = min(count, len(samples))
    return [samples[number * len(samples) // count] for number in range(count)]


def tune(
    samples: Sequence[Sample], folder: Path, options: TuneOptions, progress: Progress
) -> Tuning:
    """Choose a backbone and its features on images without masks.

    Writes ``tuned.yaml``, ``scores.csv``, ``scores.png``, ``choices.csv`` and ``cuts.png`` to the
    folder, and the cuts to ``cuts/``, from which an interrupted tuning continues.

    Args:
        samples: The images; masks are not opened.
        folder: The output folder.
        options: What is tuned.
        progress: Shows the progress of a loop.

    Raises:
        SodError: No image can be read, or the folder holds the cuts of other options.
    """
    ratings = [
        rate(samples, path, config, options.taus, options.max_tokens, options.device, progress)
        for path, config in zip(_cut_folders(folder, options), options.backbones, strict=True)
    ]
    if not options.heads:
        return _finish(folder, ratings[0], None)
    if len(ratings[0].samples) < 2:
        raise SodError("--data.train: fewer than 2 images can be read, too few for --heads true")
    return _finish(folder, *choose(ratings, options.max_tokens, options.device, progress))


def _cut_folders(folder: Path, options: TuneOptions) -> list[Path]:
    return [
        folder / ("cuts" if not number else f"cuts{number + 1}")
        for number in range(len(options.backbones))
    ]


def _finish(folder: Path, rating: Rating, choices: Choices | None) -> Tuning:
    """Write all files."""
    explanation = explain(rating)
    if choices is not None:
        explanation += "\n" + explain_choices(choices)
        write_choices(choices, folder / "choices.csv")
    tuned = _tuned(rating, choices)
    _write(folder, rating)
    write_tuned(tuned, explanation, folder / "tuned.yaml")
    return Tuning(tuned, rating, explanation, rating.failures)


def _tuned(rating: Rating, choices: Choices | None) -> Tuned:
    config, best = rating.config, rating.best
    weights = config.weights
    if weights not in (None, "hub"):
        weights = str(Path(weights).resolve())
    backbone = replace(
        config, weights=weights, facet=best.tap.facet, block=best.tap.block, extra_features=[]
    )
    if choices is None:
        return Tuned(backbone, best.tau)
    extras, (scales, share) = choices.heads[0].config.extra_features, choices.inference
    masks = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(choices.masks).items()
        if value
    }
    return Tuned(backbone, best.tau, extras, share, list(scales), masks or None)


def _write(folder: Path, rating: Rating) -> None:
    chosen, scores, samples = rating.chosen, rating.scores, rating.samples
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
    draw_cuts(images, [rating.cuts[number] for number in shown], columns, folder / "cuts.png")
