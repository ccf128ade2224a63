"""Degree of camouflage: how well an object's pixels can be rebuilt from its surroundings."""

import cv2
import numpy as np
import numpy.typing as npt

from sod.core.extras import optional

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
_PATCH = 7  # pixels
_STEP = 3  # pixels between patches
_SURROUNDINGS = 20  # size of the square that grows the object, in pixels
_NEARNESS = 20.0  # weight of the distance between patches
_CONTRAST = 8.0  # exponent of the degree
_USER = "the measure camouflage_context"


def camouflage_degree(image: Image, foreground: Mask) -> Array:
    """Return how much each pixel of an object looks like its surroundings.

    Each patch of the object is replaced by the most similar patch around it. The degree grows
    exponentially with the similarity (CIEDE2000) of the object and this reconstruction.

    Args:
        image: RGB, ``[H, W, 3]``.
        foreground: The mask, ``[H, W]``.

    Returns:
        ``[H, W]`` in [0, 1]; 0 outside the mask, and everywhere if the object or its surroundings
        hold no whole patch.

    Raises:
        SodError: scikit-image or scikit-learn is not installed.

    Source: Wang et al., arXiv 2512.07076, equations 13-16.
    """
    if min(foreground.shape) < _PATCH:
        return np.zeros(foreground.shape)
    inside = foreground.astype(np.uint8)
    grown = cv2.dilate(inside, np.ones((_SURROUNDINGS, _SURROUNDINGS), np.uint8))
    around = np.asarray(grown - inside, np.uint8)
    lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.uint8)
    places, patches = _patches(lab, inside)
    sources, candidates = _patches(lab, around)
    if not len(places) or not len(sources):
        return np.zeros(foreground.shape)
    nearest = _nearest(candidates, patches, sources, places)
    rebuilt = _rebuilt(image * around[..., None], places, sources[nearest])[foreground]
    degree = np.zeros(foreground.shape)
    similarity = _similarity(rebuilt, image[foreground])
    degree[foreground] = (np.exp(_CONTRAST * similarity) - 1) / (np.exp(_CONTRAST) - 1)
    return degree


def _patches(lab: Image, region: Image) -> tuple[npt.NDArray[np.int64], Image]:
    """Return the corners ``[N, 2]`` and the content ``[N, 147]`` of patches within a region."""
    windows = np.lib.stride_tricks.sliding_window_view(lab, (_PATCH, _PATCH, 3))[..., 0, :, :, :]
    square = np.ones((_PATCH, _PATCH), np.uint8)
    within = cv2.erode(region, square, anchor=(0, 0))[: len(windows), : windows.shape[1]]
    corners = np.argwhere(within[::_STEP, ::_STEP])
    content = windows[::_STEP, ::_STEP][corners[:, 0], corners[:, 1]]
    return corners * _STEP, content.reshape(len(corners), 3 * _PATCH**2)


def _nearest(
    candidates: Image,
    patches: Image,
    sources: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return the index of the nearest candidate of each patch, in colour and position."""
    neighbours = optional("sklearn.neighbors", "measures", _USER)
    both = np.vstack([sources, places]).astype(np.float64)
    spread = both.std(0)
    scaled = _NEARNESS * (both - both.mean(0)) / np.where(spread == 0, 1, spread)
    known = np.hstack([candidates, scaled[: len(sources)]]).astype(np.float32)
    asked = np.hstack([patches, scaled[len(sources) :]]).astype(np.float32)
    found = neighbours.NearestNeighbors(n_neighbors=1).fit(known).kneighbors(asked)[1]
    return np.asarray(found[:, 0])


def _rebuilt(
    surroundings: Image, places: npt.NDArray[np.int64], sources: npt.NDArray[np.int64]
) -> Image:
    """Return the mean of the patches that were put on each pixel; 0 where there is none."""
    total = np.zeros(surroundings.shape, np.int64)
    count = np.zeros(surroundings.shape[:2]) + 2.0**-52
    # Patches begin in different pixels, so that each is added to at most once by an offset.
    for offset in np.ndindex(_PATCH, _PATCH):
        rows, columns = (places + offset).T
        from_rows, from_columns = (sources + offset).T
        total[rows, columns] += surroundings[from_rows, from_columns]
        count[rows, columns] += 1
    return np.round(total / count[..., None]).astype(np.uint8)


def _similarity(first: Image, second: Image) -> Array:
    """Return 1 - ΔE / 100 of colours ``[N, 3]``, by CIEDE2000, in [0, 1]."""
    color = optional("skimage.color", "measures", _USER)
    difference = color.deltaE_ciede2000(color.rgb2lab(first), color.rgb2lab(second))
    return np.asarray(1 - np.clip(difference / 100, 0, 1))
