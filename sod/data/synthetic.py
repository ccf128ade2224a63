"""Built-in synthetic scenes: one to three textured objects with exact masks, from a seed."""

import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sod.core.errors import SodError
from sod.data.samples import discover_images

Floats = npt.NDArray[np.float32]
Colour = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

VERSION = 1  # raised whenever the drawing changes, so that older scenes on disk are not reused
DEFAULTS = (64, 160, 0)  # count, size and seed of `builtin` without numbers
_NAME = re.compile(r"builtin((?:-\d+){0,3})")


class Layers(NamedTuple):
    """The layers that a scene is composed of.

    Args:
        background: Float32 ``[H, W, 3]`` in [0, 1].
        objects: Float32 ``[H, W, 3]`` in [0, 1], defined where ``mask`` is True.
        mask: Bool ``[H, W]``, the foreground.
    """

    background: Floats
    objects: Floats
    mask: Bools


def make_scene(
    index: int, size: int | tuple[int, int], seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Draw one scene.

    Args:
        index: Number of the scene in its set.
        size: Side in pixels, or ``(height, width)``, at least 16.
        seed: Seed of the set.

    Returns:
        The image, uint8 ``[H, W, 3]``, and the mask, uint8 ``[H, W]`` of 0 and 255, neither empty
        nor full.
    """
    layers = scene_layers(index, size, seed)
    image = np.where(layers.mask[..., None], layers.objects, layers.background)
    return np.rint(image * 255).astype(np.uint8), layers.mask.astype(np.uint8) * 255


def scene_layers(index: int, size: int | tuple[int, int], seed: int = 0) -> Layers:
    """Draw the layers of a scene, with the arguments of :func:`make_scene`."""
    height, width = (size, size) if isinstance(size, int) else size
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    colour = rng.uniform(0.15, 0.85, 3)
    background = surface(rng, (height, width), colour)
    objects = np.zeros_like(background)
    mask = np.zeros((height, width), bool)
    paint = _distant_colour(rng, colour)
    for _ in range(int(rng.integers(1, 4))):
        shape = _shape(rng, (height, width))
        # Objects of one scene have similar colours, as groups of objects often do.
        tint = np.clip(paint + rng.uniform(-0.1, 0.1, 3), 0, 1)
        if 0.02 < np.mean(mask | shape) < 0.8:
            objects = np.where(shape[..., None], surface(rng, (height, width), tint), objects)
            mask |= shape
    if not mask.any():
        top, left = height // 4, width // 4
        mask[top : 3 * top, left : 3 * left] = True
        objects[:] = surface(rng, (height, width), paint)
    return Layers(background, objects, mask)


def write_scenes(folder: Path, count: int, size: int | tuple[int, int], seed: int = 0) -> None:
    """Write scenes 0 to count - 1 as ``images/NNNN.png`` and ``masks/NNNN.png``, all or none.

    Several processes may write the same folder at the same time; an existing folder is kept.

    Args:
        folder: The folder to create.
        count: Number of scenes.
        size: Side in pixels, or ``(height, width)``, at least 16.
        seed: Seed of the set.

    Raises:
        SodError: The folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".scenes-", dir=folder.parent))
    except OSError as error:
        raise SodError(f"{folder.parent}: cannot write here ({error.strerror})") from error
    try:
        for kind in ("images", "masks"):
            (work / kind).mkdir()
        for index in range(count):
            image, mask = make_scene(index, size, seed)
            Image.fromarray(image).save(work / "images" / f"{index:04d}.png")
            Image.fromarray(mask).save(work / "masks" / f"{index:04d}.png")
        work.chmod(0o755)
        _publish(work, folder)
    except OSError as error:
        raise SodError(f"{folder}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def is_builtin(name: str) -> bool:
    """Return whether a dataset name has the form ``builtin[-COUNT[-SIZE[-SEED]]]``."""
    return _NAME.fullmatch(name) is not None


def builtin_scenes(root: Path, name: str) -> Path:
    """Return the folder of a built-in set, which is written below the data root at first use.

    Args:
        root: The data root.
        name: ``builtin`` (64 scenes of 160 pixels, seed 0) with optional count, size and seed, as
            in ``builtin-24-96-7``. Sets of different seeds are disjoint and can serve as splits.

    Raises:
        SodError: A number is too small, or the folder is incomplete or cannot be written.
    """
    numbers = [int(number) for number in name.split("-")[1:]]
    count, size, seed = (*numbers, *DEFAULTS[len(numbers) :])
    if count < 1 or size < 16:
        raise SodError(f"dataset '{name}': needs at least 1 scene of at least 16 pixels")
    folder = root / f"builtin-v{VERSION}-{count}-{size}-{seed}"
    if not folder.exists():
        write_scenes(folder, count, size, seed)
    counts = [len(discover_images(folder / kind)) for kind in ("images", "masks")]
    if counts != [count, count]:
        raise SodError(f"{folder}: the built-in scenes are incomplete; delete this folder")
    return folder


def surface(rng: np.random.Generator, size: tuple[int, int], colour: Colour) -> Floats:
    """Draw a surface: a colour with a light gradient, a grating or smooth noise, and grain.

    Args:
        rng: Source of everything random.
        size: Height and width in pixels.
        colour: Red, green and blue in [0, 1].

    Returns:
        Float32 ``[H, W, 3]`` in [0, 1].
    """
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, slope = rng.uniform(0, math.pi, 2)
    light = (math.cos(slope) * x / width + math.sin(slope) * y / height) - 0.5
    if rng.random() < 0.5:
        period = rng.uniform(6, 24)
        wave = np.sin((math.cos(angle) * x + math.sin(angle) * y) * (2 * math.pi / period))
    else:
        wave = cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), 3.0) * 6
    grain = rng.normal(0, 0.02, (height, width, 3))
    depth = rng.uniform(0.03, 0.1)
    shade = rng.uniform(0, 0.25) * light + depth * wave
    drawn: Floats = np.clip(colour + shade[..., None] + grain, 0, 1).astype(np.float32)
    return drawn


def _publish(work: Path, folder: Path) -> None:
    """Rename the finished folder, unless another process has created it meanwhile."""
    try:
        os.rename(work, folder)  # noqa: PTH104 - Path.rename is no clearer
    except OSError:
        if not folder.is_dir():
            raise


def _distant_colour(rng: np.random.Generator, colour: Colour) -> Colour:
    """Draw a colour at an RGB distance of 0.35 to 0.7: distinct from, but close to ``colour``."""
    for _ in range(64):
        other = rng.uniform(0.05, 0.95, 3)
        if 0.35 < float(np.linalg.norm(other - colour)) < 0.7:
            return other
    return 1 - colour


def _shape(rng: np.random.Generator, size: tuple[int, int]) -> Bools:
    """Draw an ellipse, a polygon or a blob; one in sixteen covers about half the image."""
    height, width = size
    large = rng.random() < 1 / 16
    radius = min(size) * (rng.uniform(0.41, 0.48) if large else rng.uniform(0.12, 0.3))
    # Centres may be close to the border, so that some objects are truncated.
    inset = (0.45, 0.55) if large else (0.1, 0.9)
    centre = rng.uniform(*inset, 2) * (width, height)
    kind = rng.integers(3)
    if kind == 0:
        angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        radii = np.ones_like(angles)
    elif kind == 1:
        angles = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(5, 9)))
        radii = rng.uniform(0.7, 1.1, angles.size)
    else:
        angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        phases = rng.uniform(0, 2 * math.pi, 3)
        radii = 1 + sum(0.14 * np.sin((k + 2) * angles + p) for k, p in enumerate(phases))
    stretch = np.array([[1.0], [1.0 if large else rng.uniform(0.5, 1.0)]])
    turn = rng.uniform(0, math.pi)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    points = rotation @ (stretch * radii * radius * np.stack([np.cos(angles), np.sin(angles)]))
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [np.rint(points.T + centre).astype(np.int32)], 1)
    return canvas.astype(bool)
