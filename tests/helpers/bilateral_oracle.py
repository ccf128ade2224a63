"""The fast bilateral solver in plain scipy.sparse and float64, and scenes to compare it on."""

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import cg
from torch import Tensor

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

YUV = [(0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)]


def coordinates(
    image: Array, sigma_spatial: float, sigma_luma: float, sigma_chroma: float
) -> Integers:
    """Return the integer grid coordinates [H*W, 5] of an RGB image [H, W, 3] in grey levels."""
    red, green, blue = image.reshape(-1, 3).T
    luma, chroma_u, chroma_v = (a * red + b * green + c * blue for a, b, c in YUV)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    values = (columns.ravel(), rows.ravel(), luma, chroma_u + 128, chroma_v + 128)
    sigmas = (sigma_spatial, sigma_spatial, sigma_luma, sigma_chroma, sigma_chroma)
    return np.column_stack(values / np.array(sigmas)[:, None]).astype(np.int64).reshape(-1, 5)


def coordinate_keys(points: Integers) -> tuple[Integers, list[int]]:
    """Return the cell indices in a grid with a margin of one, and the index step of each axis."""
    sizes = points.max(0) + 3
    steps = [int(np.prod(sizes[axis + 1 :])) for axis in range(points.shape[1])]
    return (points + 1) @ np.array(steps), steps


def blur_matrix(keys: Integers, steps: list[int]) -> sp.csr_array:
    """Return 10 times the identity plus the 0/1 matrix of adjacent vertices, for sorted keys."""
    count = len(keys)
    total = sp.csr_array(10.0 * sp.eye_array(count))
    for step in (*steps, *(-step for step in steps)):
        position = np.minimum(np.searchsorted(keys, keys + step), count - 1)
        (rows,) = np.nonzero(keys[position] == keys + step)
        total = total + sp.csr_array((np.ones(len(rows)), (rows, position[rows])), total.shape)
    return total


def solve(
    image: Array,
    target: Array,
    confidence: float | Array = 0.999,
    sigma_spatial: float = 16,
    sigma_luma: float = 16,
    sigma_chroma: float = 8,
    lam: float = 256,
    diagonal_min: float = 1e-5,
    tolerance: float = 1e-5,
    iterations: int = 25,
) -> Array:
    """Smooth a target [H, W] along the edges of an image [H, W, 3] of grey levels 0..255."""
    points = coordinates(image, sigma_spatial, sigma_luma, sigma_chroma)
    keys, steps = coordinate_keys(points)
    vertices, index = np.unique(keys, return_inverse=True)
    count, pixels = len(vertices), len(keys)
    splat = sp.csr_array((np.ones(pixels), (index, np.arange(pixels))), (count, pixels))
    blur = blur_matrix(vertices, steps)
    mass, scale = splat @ np.ones(pixels), np.ones(count)
    for _ in range(10):
        scale = np.sqrt(scale * mass / (blur @ scale))
    diagonal = sp.diags_array(scale)
    smooth = sp.diags_array(scale * (blur @ scale)) - diagonal @ blur @ diagonal
    weights = np.broadcast_to(confidence, target.shape).ravel()
    weight, data = splat @ weights, splat @ (target.ravel() * weights)
    system = (lam * smooth + sp.diags_array(weight)).tocsr()
    jacobi = sp.diags_array(1 / np.maximum(system.diagonal(), diagonal_min))
    start = data / weight
    solution, _ = cg(system, data, x0=start, rtol=tolerance, maxiter=iterations, M=jacobi)
    return np.asarray(splat.T @ solution).reshape(target.shape)


def solve_tensors(image: Tensor, target: Tensor, **options: float | Array) -> Array:
    """Smooth a target ``[1, 1, H, W]`` for an image ``[1, 3, H, W]`` in [0, 1], as ``[H, W]``."""
    levels = (image[0].double() * 255 * 2**12).round() / 2**12
    solved = solve(levels.permute(1, 2, 0).numpy(), target[0, 0].double().numpy(), **options)
    return np.clip(solved, 0, 1)


def scene(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a noisy 8-bit image with a bright disc [1, 3, H, W] and a rough mask of it."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    disc = (y - height / 2) ** 2 + (x - width / 3) ** 2 < (min(height, width) / 3) ** 2
    noise = torch.randint(0, 40, (3, height, width), generator=generator)
    image = (noise + torch.tensor([150, 90, 60]).view(3, 1, 1) * disc + 20).float() / 255
    box = ((y - height / 2).abs() < height / 3) & ((x - width / 2).abs() < width / 3)
    return image[None], box.float()[None, None]
