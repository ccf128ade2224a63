"""Reference implementation of every measure in NumPy, directly from its definition."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
EPS = np.spacing(1)


def plain_f(binary: Mask, truth: Mask, beta2: float, empty: float) -> tuple[float, float, float]:
    """Return precision, recall and F."""
    hits = float((binary & truth).sum())
    precision = hits / binary.sum() if binary.any() else empty
    recall = hits / truth.sum() if truth.any() else empty
    denominator = beta2 * precision + recall
    f = (1 + beta2) * precision * recall / denominator if denominator > 0 else 0.0
    return precision, recall, f


def plain_e(binary: Mask, truth: Mask, floor: float = 1.0) -> float:
    if not truth.any():
        aligned = 1.0 - binary
    elif truth.all():
        aligned = binary.astype(float)
    else:
        a, b = binary - binary.mean(), truth - truth.mean()
        aligned = (2 * a * b / (a**2 + b**2 + EPS) + 1) ** 2 / 4
    return float(aligned.sum() / max(truth.size - 1, floor))


def plain_s(values: Array, truth: Mask, numpy_means: bool = False) -> float:
    share = truth.mean()
    if share in (0, 1):
        return float(values.mean() if share else 1 - values.mean())
    inside, outside = values[truth], 1 - values[~truth]
    score = 0.5 * (share * _likeness(inside) + (1 - share) * _likeness(outside))
    height, width = truth.shape
    row, column = (round(float(axis.mean())) + 1 for axis in np.nonzero(truth))
    for top, bottom in ((0, row), (row, height)):
        for left, right in ((0, column), (column, width)):
            part, mask = values[top:bottom, left:right], truth[top:bottom, left:right]
            if part.size:
                score += 0.5 * _similarity(part, mask, numpy_means) * part.size / truth.size
    return max(float(score), 0.0)


def _likeness(x: Array) -> float:
    spread = x.std(ddof=1) if x.size > 1 else 0.0
    return float(2 * x.mean() / (x.mean() ** 2 + 1 + spread + EPS))


def _similarity(part: Array, mask: Mask, numpy_means: bool) -> float:
    x, y, count = part.mean(), mask.mean(), part.size - 1 + EPS
    if (part == part[0, 0]).all():
        flat = part.mean() == part[0, 0] or not numpy_means
        return float((mask == mask[0, 0]).all() and flat)
    spread = ((part - x) ** 2).sum() / count + ((mask - y) ** 2).sum() / count
    shared = ((part - x) * (mask - y)).sum() / count
    return float(4 * x * y * shared / ((x**2 + y**2) * spread + EPS))


def plain_weighted(values: Array, truth: Mask) -> float:
    if not truth.any():
        return 0.0
    distance, nearest = ndimage.distance_transform_edt(~truth, return_indices=True)
    error = np.abs(values - truth)
    spread = np.where(truth, error, error[nearest[0], nearest[1]])
    line = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    kernel = np.outer(line, line) / line.sum() ** 2
    smooth = ndimage.convolve(spread, kernel, mode="constant")
    limited = np.where(truth, np.minimum(error, smooth), error)
    weighted = limited * np.where(truth, 1, 2 - 0.5 ** (distance / 5))
    recall = 1 - weighted[truth].mean()
    hits = truth.sum() - weighted[truth].sum()
    precision = hits / (hits + weighted[~truth].sum() + EPS)
    return float(2 * recall * precision / (recall + precision + EPS))


def plain_band(mask: Mask, width: int) -> Mask:
    padded = np.pad(mask, 1)
    core = ndimage.binary_erosion(padded, np.ones((3, 3)), iterations=width)
    return np.asarray((padded & ~core)[1:-1, 1:-1])


def plain_boundary_iou(binary: Mask, truth: Mask, empty: float = 0.0) -> float:
    width = max(round(0.02 * float(np.hypot(*truth.shape))), 1)
    first, second = plain_band(binary, width), plain_band(truth, width)
    union = int((first | second).sum())
    return float((first & second).sum() / union) if union else empty


def plain_scales(binary: Mask, truth: Mask) -> float:
    """Return the multi-scale IoU, with every cell looked at by itself."""
    edges = []
    for mask in (binary, truth):
        slopes = [ndimage.sobel(mask.astype(int), axis, mode="constant") for axis in (0, 1)]
        edges.append((slopes[0] != 0) | (slopes[1] != 0))
    ratios = []
    for cell in 2 ** np.arange(10):
        touched = []
        for edge in edges:
            places = np.argwhere(edge[::-1, ::-1]) // cell
            touched.append(set(map(tuple, places.tolist())))
        ratios.append((len(touched[0] & touched[1]) + 1) / (len(touched[1]) + 1))
    return float(np.trapezoid(ratios, dx=1 / 9))


def plain_map(saliency: Array, protocol: str, refined: bool) -> Array:
    """Return the map that a protocol measures."""
    if protocol in ("a2s", "pysod"):
        values = np.round(saliency * 255) / 255
        low, high = values.min(), values.max()
        return (values - low) / (high - low) if high > low else values
    if protocol == "image-max-single":
        return plain_component(saliency > 0.5)
    if protocol == "image-max" and refined:
        return (saliency > 0.5).astype(float)
    return saliency


def plain_component(binary: Mask) -> Array:
    """Return the largest 4-connected component."""
    labels, count = ndimage.label(binary)
    sizes = [0] + [int((labels == k).sum()) for k in range(1, count + 1)]
    return (labels == np.argmax(sizes)).astype(float) if count else binary.astype(float)


def plain_truth(mask: NDArray[np.uint8], protocol: str) -> Mask:
    """Return the foreground of a mask under a protocol."""
    if protocol == "mean-max":
        return mask > 0
    if protocol.startswith("image-max"):
        return mask == 255
    if protocol == "a2s":
        return mask / (mask.max() + 1e-8) > 0.5
    return mask > 128


def plain_binaries(values: Array, protocol: str) -> list[Mask]:
    """Return the map binarised at every threshold."""
    if protocol == "pysod":
        levels = (values * 255).astype(np.uint8)
        return [levels >= k for k in range(256)]
    if protocol == "a2s":
        levels = (values * 255).astype(np.uint8)
        return [levels >= k for k in range(255)]
    return [values > k / 255 for k in range(255)]


def plain_curves(saliency: Array, mask: NDArray[np.uint8], protocol: str, refined: bool) -> Array:
    """Return precision, recall, F and E at every threshold, ``[4, T]``."""
    values, truth = plain_map(saliency, protocol, refined), plain_truth(mask, protocol)
    beta2 = 0.09 if protocol.startswith("image-max") else 0.3
    empty = 1.0 if protocol == "mean-max" else 0.0
    floor = EPS if protocol == "pysod" else 1.0
    return np.array(
        [
            (*plain_f(binary, truth, beta2, empty), plain_e(binary, truth, floor))
            for binary in plain_binaries(values, protocol)
        ]
    ).T


def plain_row(
    saliency: Array, mask: NDArray[np.uint8], protocol: str, refined: bool = False
) -> dict[str, float]:
    values, truth = plain_map(saliency, protocol, refined), plain_truth(mask, protocol)
    f, e = plain_curves(saliency, mask, protocol, refined)[2:]
    published = protocol.startswith("image-max")
    limit = min(2 * values.mean(), 1)
    adaptive = values > limit if published else values >= limit
    half = values > 0.5
    union = (half | truth).sum()
    return {
        "mae": float(np.abs((half if published else values) - truth.astype(float)).mean()),
        "iou": float((half & truth).sum() / union) if union else float(protocol == "mean-max"),
        "accuracy": float((half == truth).mean()),
        "max_f": f.max(),
        "mean_f": f.mean(),
        "adaptive_f": plain_f(
            adaptive, truth, 0.09 if published else 0.3, float(protocol == "mean-max")
        )[2],
        "weighted_f": plain_weighted(values, truth),
        "s_measure": plain_s(values, truth, protocol == "pysod"),
        "max_e": e.max(),
        "mean_e": e.mean(),
        "adaptive_e": plain_e(adaptive, truth, EPS if protocol == "pysod" else 1.0),
        "boundary_iou": plain_boundary_iou(half, truth, float(protocol == "mean-max")),
        "msiou": plain_scales(half, truth),
    }
