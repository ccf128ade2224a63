"""Ordinary and degenerate masks and saliency maps, as 8-bit images."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
SIZES = ((1, 1), (1, 9), (3, 4), (17, 23), (60, 80))


def blob(size: tuple[int, int], centre: tuple[float, float], radius: float) -> Picture:
    """Draw a disc; ``centre`` and ``radius`` are relative to the size and its shorter side."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance2 = (rows - centre[0] * size[0]) ** 2 + (columns - centre[1] * size[1]) ** 2
    return np.where(distance2 < (radius * min(size)) ** 2, 255, 0).astype(np.uint8)


def masks(size: tuple[int, int], random: Generator) -> dict[str, Picture]:
    """Return masks ``[H, W]`` of every kind, by name."""
    one = np.zeros(size, np.uint8)
    one[random.integers(size[0]), random.integers(size[1])] = 255
    last = np.zeros(size, np.uint8)
    last[:, -1] = 255
    return {
        "empty": np.zeros(size, np.uint8),
        "full": np.full(size, 255, np.uint8),
        "one pixel": one,
        "last column": last,
        "blob": blob(size, (0.5, 0.45), 0.3),
        "noise": np.where(random.random(size) < 0.5, 255, 0).astype(np.uint8),
        "grey": random.integers(0, 256, size).astype(np.uint8),
    }


def maps(mask: Picture, random: Generator) -> dict[str, Picture]:
    """Return saliency maps of every kind for a mask, 0..255, by name."""
    noise = random.random(mask.shape)
    soft = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 4)
    kernel = np.ones((5, 5), np.uint8)
    one = np.zeros_like(mask)
    one[mask.shape[0] // 2, mask.shape[1] // 2] = 200
    pictures = {
        "zero": np.zeros_like(mask),
        "one": np.full_like(mask, 255),
        "constant": np.full_like(mask, random.integers(1, 255)),
        "one pixel": one,
        "perfect": mask.copy(),
        "inverted": 255 - mask,
        "noise": 255 * noise,
        "three levels": 100.0 * (3 * noise).astype(int),
        "soft": soft,
        "soft and noisy": 0.6 * soft + 90 * noise,
        "faint": 0.2 * soft + 10 * noise,
        "eroded": cv2.erode(mask, kernel),
        "dilated": cv2.dilate(mask, kernel),
        "shifted": np.roll(mask, (3, -4), (0, 1)),
        "ramp": np.broadcast_to(np.linspace(0, 255, mask.shape[1]), mask.shape),
    }
    return {name: np.clip(picture, 0, 255).astype(np.uint8) for name, picture in pictures.items()}


def small_pairs() -> Iterator[tuple[str, Picture, Picture]]:
    """Yield (name, map, mask): every kind of map for every kind of mask, in all sizes."""
    random = np.random.default_rng(0)
    for size in SIZES:
        for mask_name, mask in masks(size, random).items():
            for name, picture in maps(mask, random).items():
                yield f"{size} {mask_name} / {name}", picture, mask


def real_pairs(folder: Path, count: int) -> Iterator[tuple[str, Picture, Picture]]:
    """Yield (name, map, mask): every kind of map for each of ``count`` masks of ECSSD."""
    random = np.random.default_rng(1)
    for path in sorted((folder / "data" / "ECSSD" / "ground_truth_mask").iterdir())[::17][:count]:
        mask = np.array(Image.open(path).convert("L"))
        for name, picture in maps(mask, random).items():
            yield f"{path.stem} / {name}", picture, mask
