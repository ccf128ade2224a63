"""Training images that are composed of several photos, with the labels that follow.

Objects of other photos are pasted (Ghiasi et al., CVPR 2021), or a whole other photo is shrunk and
pasted (ResizeMix, Qin et al., arXiv 2012.11101), or a background without any object is shown. All
need (pseudo-)masks, and take what they need from photos with the surest ones.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sod.core.errors import SodError
from sod.data.labelled import Scene, read_labelled
from sod.data.paste import Piece, background, cut_out, paste, resized, size_of_share
from sod.data.samples import Sample
from sod.data.transforms import Augmentation

Array = npt.NDArray[np.uint8]
Rng = np.random.Generator

STREAM = 1
"""Ends the seed, so that the draws are others than those of the transform."""
MIX = (0.1, 0.8)
"""Range of the sides of a shrunken photo, as shares of the image's; published."""
TRIES = 4
"""Photos that are looked at for an object, or for a background, before it is left out."""


class TrainingScenes:
    """Reads a sample and composes it with others.

    Args:
        options: The probabilities and ranges.
        donors: The samples with the surest labels, of which objects and backgrounds are taken.
    """

    def __init__(self, options: Augmentation, donors: Sequence[Sample]) -> None:
        self.options, self.donors = options, donors

    def __call__(self, sample: Sample, seed: tuple[int, int, int]) -> Scene:
        """Return the scene of a sample; it depends on the arguments and the files only.

        Raises:
            ImageError: A file cannot be read; the message names it.
        """
        rng, options = np.random.default_rng([*seed, STREAM]), self.options
        draw = rng.random()
        if draw < options.empty:
            return self._empty(sample, rng)
        scene = Scene(sample, *read_labelled(sample))
        draw -= options.empty
        if draw < options.mix:
            return self._mixed(scene, rng)
        if draw - options.mix < options.paste:
            for _ in range(int(rng.integers(options.paste_most)) + 1):
                scene = self._pasted(scene, rng)
        return scene

    def _empty(self, sample: Sample, rng: Rng) -> Scene:
        """Return a background of a donor, or the sample itself where none is found."""
        for donor in self._drawn(rng):
            image, label = read_labelled(donor)
            box = background(label, rng)
            if box is not None:
                return Scene(donor, image[box], np.zeros_like(label[box]))
        return Scene(sample, *read_labelled(sample))

    def _mixed(self, scene: Scene, rng: Rng) -> Scene:
        """Paste a whole donor, shrunk."""
        donor = next(self._others(scene.sample, rng), None)
        if donor is None:
            return scene
        image, label = read_labelled(donor)
        piece = Piece(image, label, np.ones(label.shape, bool))
        factor = rng.uniform(*MIX)
        height, width = (max(round(side * factor), 1) for side in scene.mask.shape)
        return Scene(scene.sample, *paste(*scene[1:], resized(piece, height, width), rng))

    def _pasted(self, scene: Scene, rng: Rng) -> Scene:
        """Paste an object of a donor, or none where none is found."""
        cuts = (cut_out(*read_labelled(donor)) for donor in self._others(scene.sample, rng))
        piece = next((cut for cut in cuts if cut is not None), None)
        if piece is None:
            return scene
        low, high = self.options.paste_area
        share = math.exp(rng.uniform(math.log(low), math.log(high)))
        size = size_of_share(piece, share, *scene.mask.shape)
        return Scene(scene.sample, *paste(*scene[1:], resized(piece, *size), rng))

    def _drawn(self, rng: Rng) -> Iterator[Sample]:
        """Draw a few donors."""
        return (self.donors[int(number)] for number in rng.integers(len(self.donors), size=TRIES))

    def _others(self, sample: Sample, rng: Rng) -> Iterator[Sample]:
        """Draw a few donors other than the sample."""
        return (donor for donor in self._drawn(rng) if donor.image != sample.image)


def training_scenes(
    options: Augmentation, samples: Sequence[Sample], sureness: Mapping[Path, float]
) -> TrainingScenes | None:
    """Return what composes the training images; None if the options compose none.

    Args:
        options: The augmentation.
        samples: The training samples, all with a (pseudo-)mask.
        sureness: How sure each pseudo-mask is, by the image; of real masks nothing is given.
    """
    if not composes(options) or not samples:
        return None
    if not sureness:
        return TrainingScenes(options, samples)
    ranked = sorted(samples, key=lambda sample: -sureness[sample.image])
    return TrainingScenes(options, ranked[: math.ceil(options.donors * len(ranked))])


def composes(options: Augmentation) -> str | None:
    """Return the first option that composes images, or None."""
    chosen = (name for name in ("paste", "mix", "empty") if getattr(options, name))
    return next(chosen, None)


def check_scenes(options: Augmentation, labelled: bool) -> None:
    """Check that there are labels to compose images with.

    Args:
        options: The augmentation.
        labelled: Whether each training image has a (pseudo-)mask, and is one by itself.

    Raises:
        SodError: There are none.
    """
    name = composes(options)
    if name is not None and not labelled:
        raise SodError(
            f"data.augmentation.{name}: needs a (pseudo-)mask of each image, which this method "
            "does not train on: set it to 0, or train ConnNet, Student or Generations."
        )
