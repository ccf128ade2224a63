"""Augmentation for training and none for evaluation: the only module that knows albumentations."""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# albumentations asks the network for a newer version when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2

from sod.core.errors import SodError

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """What training does to an image before a method sees it. Every 0 turns a step off.

    Args:
        crop: smallest share of the image's area that a random crop keeps; 1 keeps the whole image,
            squeezed to the square, as PEEKABOO and FOUND do.
        rescale: range (low, high) of a random enlargement of the shorter edge, relative to the
            training size, before the image is brought to that size. It changes sharpness only;
            FOUND and PEEKABOO use (0.1, 3.0). Null: none.
        flip: probability of a left-right flip.
        jitter: strength of brightness, contrast and saturation changes, 0..1; a quarter of it for
            the hue.
        grey: probability of dropping the colour.
        blur: probability of a Gaussian blur of σ in 0.1..2 pixels, its kernel a tenth of the size.
    """

    crop: float = 0.5
    rescale: tuple[float, float] | None = None
    flip: float = 0.5
    jitter: float = 0.2
    grey: float = 0.0
    blur: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, naming the field."""
        for field in ("flip", "jitter", "grey", "blur"):
            if not 0 <= getattr(self, field) <= 1:
                raise SodError(f"data.augmentation.{field}: {getattr(self, field)} is not in 0..1")
        if not 0 < self.crop <= 1:
            raise SodError(f"data.augmentation.crop: {self.crop} is not in (0, 1]")
        if self.rescale and not 0 < self.rescale[0] <= self.rescale[1]:
            raise SodError(f"data.augmentation.rescale: {self.rescale} is not (low, high), low > 0")


class TrainTransform:
    """Random crop, flip and colour changes to a square; a mask follows its image, by nearest.

    Args:
        size: side of the result in pixels.
        augmentation: what is done and how strongly.
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
            image: uint8 ``[H, W, 3]``.
            mask: uint8 ``[H, W]`` or None.
            seed: (seed, epoch, index); it alone decides the outcome, in any process and any order.

        Returns:
            image uint8 ``[size, size, 3]``, mask uint8 ``[size, size]`` or None.
        """
        # Compose keeps a generator of its own that forked workers would share and epochs repeat.
        self._compose.set_random_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        arrays = {"image": image} if mask is None else {"image": image, "mask": mask}
        result = self._compose(**arrays)
        return result["image"], result.get("mask")


class EvalTransform:
    """Leave image and mask as they are, or bring the image to a square.

    Args:
        size: side of the image in pixels; None keeps its own size. A mask always keeps its own.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Arguments and result as :class:`TrainTransform`; the seed has no effect."""
        if self.size is None or image.shape[:2] == (self.size, self.size):
            return image, mask
        shrinks = min(image.shape[:2]) > self.size
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(
            cv2.resize(image, (self.size, self.size), interpolation=way), np.uint8
        ), mask


def resize_mask(mask: Array, height: int, width: int) -> Array:
    """Resize a mask ``[h, w]`` to ``[height, width]`` by nearest neighbour, inventing no values."""
    resized = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8)


def use_one_thread(_worker: int = 0) -> None:
    """Keep OpenCV to one thread in a loader's worker; workers are the parallelism."""
    cv2.setNumThreads(0)


def _steps(size: int, options: Augmentation) -> list[A.BasicTransform]:
    steps: list[A.BasicTransform] = []
    # Averaging areas when shrinking avoids the aliasing of plain bilinear sampling.
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
        power = options.jitter
        steps.append(A.ColorJitter(power, power, power, power / 4, p=0.8))
    if options.grey:
        steps.append(A.ToGray(p=options.grey))
    if options.blur:
        kernel = size // 10 // 2 * 2 + 1
        steps.append(A.GaussianBlur((kernel, kernel), (0.1, 2.0), p=options.blur))
    return steps
