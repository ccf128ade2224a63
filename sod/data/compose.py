"""Composition of groups with distractors: beside each object, one of another group."""

import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sod.core.errors import SodError
from sod.data.groups import indices_by_group
from sod.data.reading import read_image, read_mask
from sod.data.samples import Sample

Array = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Rule = Literal["mixed", "tile", "paste"]
PLACES = 24
"""Positions per axis that a pasted object is tried at."""


class Photo(NamedTuple):
    """An image and its object.

    Args:
        image: Uint8 ``[H, W, 3]``.
        mask: Bool ``[H, W]``.
    """

    image: Array
    mask: Bools


class Plan(NamedTuple):
    """What one composed image is made of.

    Args:
        sample: The image whose object counts.
        distractor: An image of another group.
        rule: ``tile`` or ``paste``.
        rng: Decides on place and size.
    """

    sample: Sample
    distractor: Sample
    rule: str
    rng: np.random.Generator


def plan(samples: Sequence[Sample], rule: Rule, seed: int) -> list[Plan]:
    """Choose a distractor for each sample, at random from a random other group.

    The choice depends on the seed and the sample's name, so that no other group is common to the
    images of a group, except by chance.

    Args:
        samples: Samples of at least two groups.
        rule: ``tile``, ``paste``, or ``mixed``, one of both at random.
        seed: Seed of all choices.

    Raises:
        SodError: The rule is unknown, there are fewer than two groups, or a mask is missing.
    """
    if rule not in get_args(Rule):
        raise SodError(f"--rule {rule}: is none of {', '.join(get_args(Rule))}.")
    groups = indices_by_group(samples)
    if len(groups) < 2:
        raise SodError("data compose: distractors need at least two groups, one folder each.")
    for sample in samples:
        if sample.mask is None:
            raise SodError(f"{sample.image}: has no mask; composing needs the mask of each image.")
    plans = []
    for sample in samples:
        rng = np.random.default_rng([seed, zlib.crc32(sample.name.encode())])
        others = [name for name in groups if name != sample.group]
        indices = groups[others[rng.integers(len(others))]]
        distractor = samples[indices[rng.integers(len(indices))]]
        chosen = ("tile", "paste")[rng.integers(2)] if rule == "mixed" else rule
        plans.append(Plan(sample, distractor, chosen, rng))
    return plans


def compose_set(samples: Sequence[Sample], out: Path, rule: Rule = "mixed", seed: int = 0) -> int:
    """Write a set with distractors, as ``OUT/image/GROUP/*.png`` and ``OUT/gt/GROUP/*.png``.

    ``OUT/composed.json`` lists rule and distractor of each image. The masks show the object of the
    group alone.

    Args:
        samples: As for :func:`plan`.
        out: Folder to write.
        rule: As for :func:`plan`.
        seed: As for :func:`plan`.

    Returns:
        The number of images written.

    Raises:
        SodError: As :func:`plan`; or a file cannot be read or written.
    """
    plans = plan(samples, rule, seed)
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: _write(each, out), plans))
        entries = {p.sample.name: {"rule": p.rule, "distractor": p.distractor.name} for p in plans}
        record = {"rule": rule, "seed": seed, "images": entries}
        (out / "composed.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise SodError(f"--out {out}: cannot be written: {error.strerror}.") from error
    return len(plans)


def tile(own: Photo, other: Photo, rng: np.random.Generator) -> Photo:
    """Put two photos beside each other, in random order: along the own photo's shorter side.

    The other photo is resized to the length of the common edge.
    """
    height, width = own.mask.shape
    axis = 0 if width > height else 1
    edge = own.mask.shape[1 - axis]
    scale = edge / other.mask.shape[1 - axis]
    sides = [max(1, round(side * scale)) for side in other.mask.shape]
    sides[1 - axis] = edge
    image = cv2.resize(other.image, (sides[1], sides[0]), interpolation=cv2.INTER_AREA)
    images, masks = [own.image, image], [own.mask, np.zeros(sides, bool)]
    step = 1 if rng.random() < 0.5 else -1
    joined = np.concatenate(images[::step], axis)
    return Photo(joined.astype(np.uint8), np.concatenate(masks[::step], axis))


def paste(own: Photo, other: Photo, rng: np.random.Generator) -> Photo:
    """Paste the other photo's object behind the own one, where it is hidden least.

    Its area is 0.7 to 1.3 times that of the own object, as far as it fits; it is made smaller while
    more than a fifth of it is hidden, at most three times.
    """
    cut = _cut_out(other)
    factor = np.sqrt(rng.uniform(0.7, 1.3) * max(own.mask.sum(), 64) / max(cut.mask.sum(), 1))
    limits = [0.9 * side / part for side, part in zip(own.mask.shape, cut.mask.shape, strict=True)]
    factor = min(factor, *limits)
    for _ in range(4):
        piece = _scaled(cut, factor)
        top, left, hidden = _freest_place(own.mask, piece.mask, rng)
        if hidden <= 0.2:
            break
        factor *= 0.7
    height, width = piece.mask.shape
    window = (slice(top, top + height), slice(left, left + width))
    alpha = cv2.GaussianBlur(piece.mask.astype(np.float32), (0, 0), 1.0) * ~own.mask[window]
    image = own.image.copy()
    mixed = image[window] + alpha[..., None] * (piece.image - image[window].astype(np.float32))
    image[window] = np.rint(mixed).astype(np.uint8)
    return Photo(image, own.mask)


def _write(plan: Plan, out: Path) -> None:
    compose = tile if plan.rule == "tile" else paste
    photo = compose(_read(plan.sample), _read(plan.distractor), plan.rng)
    mask = photo.mask.astype(np.uint8) * 255
    for kind, pixels in (("image", photo.image), ("gt", mask)):
        path = out / kind / f"{plan.sample.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def _read(sample: Sample) -> Photo:
    assert sample.mask is not None  # noqa: S101 - checked by plan
    image, mask = read_image(sample.image), read_mask(sample.mask)
    if mask.shape != image.shape[:2]:
        raise SodError(f"{sample.mask}: differs in size from its image {sample.image}.")
    return Photo(image, mask > 127)


def _cut_out(photo: Photo) -> Photo:
    """Return the bounding box of the object; the whole photo without one."""
    if not photo.mask.any():
        return photo
    left, top, width, height = cv2.boundingRect(photo.mask.astype(np.uint8))
    window = (slice(top, top + height), slice(left, left + width))
    return Photo(photo.image[window], photo.mask[window])


def _scaled(photo: Photo, factor: float) -> Photo:
    height, width = (max(2, round(side * factor)) for side in photo.mask.shape)
    mask = cv2.resize(photo.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    image = cv2.resize(photo.image, (width, height), interpolation=cv2.INTER_AREA)
    return Photo(image.astype(np.uint8), mask > 0)


def _freest_place(taken: Bools, piece: Bools, rng: np.random.Generator) -> tuple[int, int, float]:
    """Return top and left of the place where least of the piece is taken, and the share that is.

    Of equal places, one is chosen at random.
    """
    rest = [side - part for side, part in zip(taken.shape, piece.shape, strict=True)]
    tops, lefts = (np.unique(np.linspace(0, max(each, 0), PLACES).astype(int)) for each in rest)
    places = [(int(top), int(left)) for top in tops for left in lefts]
    height, width = piece.shape
    hidden = [
        np.count_nonzero(piece & taken[top : top + height, left : left + width])
        for top, left in places
    ]
    least = [place for place, count in zip(places, hidden, strict=True) if count == min(hidden)]
    top, left = least[rng.integers(len(least))]
    return top, left, min(hidden) / max(int(piece.sum()), 1)
