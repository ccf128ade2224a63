"""Transforms of images and masks: augmentation (albumentations) and plain resizing."""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Disables the network request for a newer version that albumentations makes on import.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2

from sod.core.errors import SodError

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of training images. A value of 0 disables a step.

    Args:
        crop: Smallest share of the image's area that a random crop keeps. 1 keeps the whole image,
            resized to the square without its aspect ratio, as PEEKABOO and FOUND do.
        rescale: Range (low, high) of a random factor of the training size to which the shorter
            edge is resized before the final resize. It changes the sharpness only; FOUND and
            PEEKABOO use (0.1, 3.0). Null: none.
        flip: Probability of a horizontal flip.
        jitter: Strength of brightness, contrast and saturation jitter, 0..1; a quarter of it for
            the hue.
        grey: Probability of a conversion to grey.
        blur: Probability of a Gaussian blur, σ in 0.1..2 pixels, kernel size a tenth of the
            training size.
        paste: Probability that objects of other training images are pasted at random places, the
            (pseudo-)mask following. At most one of ``paste``, ``mix`` and ``empty`` happens to an
            image.
        paste_area: Range (low, high) of the share of the image that a pasted object covers; small
            ones are as frequent as large ones, factor for factor.
        paste_most: Largest number of objects that are pasted into an image; the smallest is 1.
        mix: Probability that another training image is pasted as a whole, shrunk to a tenth to
            eight tenths of the sides, the (pseudo-)mask following (ResizeMix).
        empty: Probability that a piece of background without any object is shown instead, with an
            empty mask: a rectangle of a training image that lies outside of its (pseudo-)mask.
        donors: Share of the pseudo-masks, the surest by the score of their selection, that
            objects, photos and backgrounds are taken from. Real masks are all sure.
    """

    crop: float = 0.5
    rescale: tuple[float, float] | None = None
    flip: float = 0.5
    jitter: float = 0.2
    grey: float = 0.0
    blur: float = 0.0
    paste: float = 0.0
    paste_area: tuple[float, float] = (0.002, 0.1)
    paste_most: int = 2
    mix: float = 0.0
    empty: float = 0.0
    donors: float = 0.5

    def __post_init__(self) -> None:
        """Raise a SodError that names the first invalid field."""
        for field in ("flip", "jitter", "grey", "blur", "paste", "mix", "empty"):
            if not 0 <= getattr(self, field) <= 1:
                raise SodError(f"data.augmentation.{field}: {getattr(self, field)} is not in 0..1")
        if not 0 < self.crop <= 1:
            raise SodError(f"data.augmentation.crop: {self.crop} is not in (0, 1]")
        if self.rescale and not 0 < self.rescale[0] <= self.rescale[1]:
            raise SodError(f"data.augmentation.rescale: {self.rescale} is not (low, high), low > 0")
        self._check_scenes()

    def _check_scenes(self) -> None:
        """Raise a SodError that names the first invalid field of composed images."""
        low, high = self.paste_area
        if not 0 < low <= high <= 1:
            raise SodError(
                f"data.augmentation.paste_area: {self.paste_area} is not (low, high) in (0, 1]"
            )
        if self.paste_most < 1:
            raise SodError(f"data.augmentation.paste_most: {self.paste_most} is not at least 1")
        if not 0 < self.donors <= 1:
            raise SodError(f"data.augmentation.donors: {self.donors} is not in (0, 1]")
        if (together := self.paste + self.mix + self.empty) > 1:
            raise SodError(
                f"data.augmentation.paste: with mix and empty {together:g} is above 1: at most one "
                "of the three happens to an image"
            )


class TrainTransform:
    """Random augmentation that resizes to a square; masks are resampled by nearest neighbour.

    Args:
        size: Side of the result in pixels.
        augmentation: The steps and their strengths; None uses the defaults.
    """

    def __init__(self, size: int, augmentation: Augmentation | None = None) -> None:
        self.size = size
        self.augmentation = augmentation or Augmentation()
        self._compose = A.Compose(_steps(size, self.augmentation))

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Transform an image and its mask.

        Args:
            image: Uint8 ``[H, W, 3]``.
            mask: Uint8 ``[H, W]`` or None.
            seed: (seed, epoch, index). The result depends on it alone, not on the process or order.

        Returns:
            The image, uint8 ``[size, size, 3]``, and the mask, uint8 ``[size, size]`` or None.
        """
        # Compose's own generator would be shared by forked workers and repeat in each epoch.
        self._compose.set_random_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        arrays = {"image": image} if mask is None else {"image": image, "mask": mask}
        result = self._compose(**arrays)
        return result["image"], result.get("mask")


class EvalTransform:
    """Evaluation transform: no change, or a resize of the image to a square.

    Args:
        size: Side of the image in pixels; None keeps its own size. Masks always keep their own.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Transform an image and its mask as :class:`TrainTransform`; the seed has no effect."""
        if self.size is None or image.shape[:2] == (self.size, self.size):
            return image, mask
        shrinks = min(image.shape[:2]) > self.size
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(image, (self.size, self.size), interpolation=interpolation)
        return np.asarray(resized, np.uint8), mask


def resize_mask(mask: Array, height: int, width: int) -> Array:
    """Resize a mask, uint8 ``[h, w]``, to ``[height, width]`` by nearest neighbour."""
    resized = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8)


def use_one_thread(_worker: int = 0) -> None:
    """Limit OpenCV to one thread in a loader's worker, as the workers already run in parallel."""
    cv2.setNumThreads(0)


def _steps(size: int, options: Augmentation) -> list[A.BasicTransform]:
    steps: list[A.BasicTransform] = []
    # Area interpolation avoids the aliasing of bilinear sampling when an image is reduced.
    area = {"area_for_downscale": "image"}
    if options.crop < 1:
        crop = (options.crop, 1.0)
        steps.append(A.RandomResizedCrop((size, size), scale=crop, **area))
    if options.rescale:
        low, high = options.rescale
        steps.append(A.SmallestMaxSize(size, **area))
        steps.append(A.RandomScale((low - 1, high - 1), p=1, **area))
    if options.rescale or options.crop == 1:
        steps.append(A.Resize(size, size, **area))
    if options.flip:
        steps.append(A.HorizontalFlip(p=options.flip))
    if options.jitter:
        strength = options.jitter
        steps.append(A.ColorJitter(strength, strength, strength, strength / 4, p=0.8))
    if options.grey:
        steps.append(A.ToGray(p=options.grey))
    if options.blur:
        kernel = size // 10 // 2 * 2 + 1
        steps.append(A.GaussianBlur((kernel, kernel), (0.1, 2.0), p=options.blur))
    return steps
