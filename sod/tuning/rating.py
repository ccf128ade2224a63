"""All configurations of one backbone on some images, and their scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import state_checksum
from sod.data.reading import read_image_tensor
from sod.data.samples import Sample
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig, build_with_every_tap
from sod.nn.backbones.taps import Tap
from sod.tuning.configurations import Configuration, configurations
from sod.tuning.cuts import ImageCuts
from sod.tuning.scores import Scores, score_configurations
from sod.tuning.store import CutStore

VERSION = 1
T = TypeVar("T")


class Progress(Protocol):
    """Shows the progress of a loop."""

    def __call__(self, items: Iterable[T], total: int, description: str) -> Iterator[T]:
        """Yield the items."""


@dataclass(frozen=True)
class Rating:
    """What is known about a backbone without masks.

    Attributes:
        config: The backbone.
        taps: Its features.
        chosen: All configurations.
        samples: The images that could be read.
        cuts: Their cuts.
        scores: The scores of the configurations.
        votes: The refined vote about each image, bool ``[H, W]``.
        failures: One line for each image that could not be read.
    """

    config: BackboneConfig
    taps: list[Tap]
    chosen: list[Configuration]
    samples: list[Sample]
    cuts: list[ImageCuts]
    scores: Scores
    votes: list[Tensor]
    failures: list[str]

    @property
    def best(self) -> Configuration:
        """The configuration with the highest score."""
        return self.chosen[self.scores.best]


def rate(
    samples: Sequence[Sample],
    folder: Path,
    config: BackboneConfig,
    taus: Sequence[float],
    max_tokens: int,
    device: str,
    progress: Progress,
) -> Rating:
    """Cut images by all configurations of a backbone, and score these.

    Args:
        samples: The images; masks are not opened.
        folder: The folder of the cuts, from which an interrupted tuning continues.
        config: The backbone; its feature has no effect.
        taus: The thresholds that are compared.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbone.
        progress: Shows the progress of a loop.

    Raises:
        SodError: No image can be read, or the folder holds the cuts of other options.
    """
    backbone, taps = build_with_every_tap(config)
    backbone.to(device)
    store = CutStore(folder, cut_settings(backbone, config, taus, max_tokens))
    readable: list[tuple[Sample, ImageCuts]] = []
    failures: list[str] = []
    results = store.fill(samples, backbone, taus, max_tokens)
    for sample, result in progress(results, len(samples), "cuts"):
        if isinstance(result, str):
            failures.append(result)
        else:
            readable.append((sample, result))
    if not readable:
        raise SodError(f"--data.train: none of the {len(samples)} images can be read")
    read, cuts = [list(part) for part in zip(*readable, strict=True)]
    chosen = configurations(taps, taus)
    scores, votes = score_configurations(chosen, cuts, lambda: images_of(read, progress))
    return Rating(config, taps, chosen, read, cuts, scores, votes, failures)


def cut_settings(
    backbone: Backbone, config: BackboneConfig, taus: Sequence[float], max_tokens: int
) -> dict[str, Any]:
    """Return what the cuts of an image depend on, as JSON values.

    Args:
        backbone: The backbone with every tap.
        config: Its configuration.
        taus: The thresholds that are compared.
        max_tokens: Larger images are resized to at most this number of tokens.
    """
    return {
        "version": VERSION,
        "name": config.name,
        "pos_embed": config.pos_embed,
        "weights_sha256": state_checksum(backbone.state_dict()),
        "taus": list(taus),
        "max_tokens": max_tokens,
    }


def images_of(
    samples: Sequence[Sample], progress: Progress, description: str = "consensus"
) -> Iterator[Tensor]:
    """Yield the images of samples, RGB in [0, 1], ``[3, H, W]`` each."""
    images = (read_image_tensor(sample.image) for sample in samples)
    return progress(images, len(samples), description)
