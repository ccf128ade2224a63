"""Fast bilateral solver: smoothing of masks along the edges of their image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision, full_precision_region
from sod.refinement.batched_system import BatchedSystem
from sod.refinement.cells import Sigmas, Vertices, find_vertices
from sod.refinement.sparse_system import SparseSystem

_CONFIDENCE = 0.999
_PIXELS_AT_ONCE = 2**25


class BilateralGrid:
    """Bilateral grids of a batch of images, built once and used for any number of targets.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``, of any size and on any device.
        sigma_spatial: Side of a grid cell in pixels.
        sigma_luma: Side of a grid cell in grey levels of luma.
        sigma_chroma: Side of a grid cell in grey levels of either chroma.

    Raises:
        SodError: If the images have another shape, are empty or not finite, or a side is not > 0.
    """

    @full_precision_region
    def __init__(
        self,
        images: Tensor,
        sigma_spatial: float = 16.0,
        sigma_luma: float = 16.0,
        sigma_chroma: float = 8.0,
    ) -> None:
        sigmas = Sigmas(sigma_spatial, sigma_luma, sigma_chroma)
        _check(images, sigmas)
        self.size = (len(images), images.shape[2], images.shape[3])
        # The CPU is fastest with one image at a time; it is also used for devices without float64.
        batched = images.device.type == "cuda"
        self.device = images.device if batched else torch.device("cpu")
        self._at_once = max(1, _PIXELS_AT_ONCE // images[0, 0].numel()) if batched else 1

        def build(part: Tensor) -> tuple[Vertices, SparseSystem | BatchedSystem]:
            if not bool(torch.isfinite(part.sum())):
                raise SodError("images: some values are NaN or infinite; give RGB in [0, 1]")
            vertices = find_vertices(part, sigmas)
            system = BatchedSystem(vertices, len(part)) if batched else SparseSystem(vertices)
            return vertices, system

        self._grids = [build(part) for part in self._parts(full_precision(images))]

    @full_precision_region
    def solve(
        self,
        targets: Tensor,
        confidence: float | Tensor = _CONFIDENCE,
        lam: float | Sequence[float] = 256.0,
        tolerance: float = 1e-5,
        iterations: int = 25,
    ) -> Tensor:
        """Smooth targets along the edges of the images; see :func:`bilateral_solver`.

        Args:
            targets: In [0, 1], ``[B, T, H, W]``: ``T`` targets of each image.
            confidence: Weight of the targets, >= 0: a number, or a map ``[B, 1 or T, H, W]``.
            lam: Weight λ of smoothness against fidelity to the target. With ``L`` weights, each of
                the targets is smoothed with each of them.
            tolerance: Conjugate gradients stop at this residual, relative to the right-hand side.
            iterations: Maximum number of steps of conjugate gradients.

        Returns:
            Smoothed targets in [0, 1], with the shape and device of the targets, and with their
            dtype if it is floating, else float32. With ``L`` weights, ``[B, L * T, H, W]``: all
            targets with the first weight, then all with the second.

        Raises:
            SodError: If the targets or the confidence do not match the images.
        """
        self._check_fit("targets", targets)
        parts = self._parts(targets)
        lams = tuple(lam) if isinstance(lam, Sequence) else (lam,)
        weights: tuple[Tensor, ...] = ()
        if isinstance(confidence, Tensor):
            self._check_fit("confidence", confidence)
            weights = self._parts(confidence)

        def solve(index: int) -> Tensor:
            vertices, system = self._grids[index]
            part_confidence = weights[index] if isinstance(confidence, Tensor) else confidence
            data, weight = _splat(vertices, parts[index], part_confidence)
            # A pixel is read and written once for all weights.
            solved = [system.solve(data, weight, each, tolerance, iterations) for each in lams]
            return _slice(vertices, torch.cat(solved), parts[index])

        return torch.cat([solve(index) for index in range(len(parts))]).to(targets.device)

    def _parts(self, maps: Tensor) -> tuple[Tensor, ...]:
        """Split a batch of maps into the parts that are solved at once, on the device."""
        return torch.split(maps.detach().to(self.device), self._at_once)

    def _check_fit(self, name: str, maps: Tensor) -> None:
        """Raise an error if maps do not match the images."""
        batch, height, width = self.size
        if maps.ndim != 4 or (len(maps), *maps.shape[2:]) != self.size:
            raise SodError(
                f"{name}: shape {list(maps.shape)} does not fit the images; "
                f"give [{batch}, T, {height}, {width}]"
            )


def bilateral_solver(
    images: Tensor,
    targets: Tensor,
    confidence: float | Tensor = _CONFIDENCE,
    sigma_spatial: float = 16.0,
    sigma_luma: float = 16.0,
    sigma_chroma: float = 8.0,
    lam: float = 256.0,
    tolerance: float = 1e-5,
    iterations: int = 25,
) -> Tensor:
    """Smooth targets along the edges of images (Barron & Poole, ECCV 2016).

    The defaults are those of TokenCut. Pixels are read and written in the dtype of the targets. The
    grid is small and solved in float64: float32 would change results by about 1e-6 and would not be
    faster on the CPU. The result has no gradient.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``, of any size and on any device.
        targets: In [0, 1], ``[B, T, H, W]``: usually one target of each image.
        confidence: Weight of the targets, >= 0: a number, or a map ``[B, 1 or T, H, W]``.
        sigma_spatial: Side of a grid cell in pixels.
        sigma_luma: Side of a grid cell in grey levels of luma.
        sigma_chroma: Side of a grid cell in grey levels of either chroma.
        lam: Weight λ of smoothness against fidelity to the target.
        tolerance: Conjugate gradients stop at this residual, relative to the right-hand side.
        iterations: Maximum number of steps of conjugate gradients.

    Returns:
        Smoothed targets in [0, 1], with the shape and device of the targets, and with their dtype
        if it is floating, else float32.

    Raises:
        SodError: If a shape is wrong, the images are empty or not finite, or a side is not > 0.
    """
    grid = BilateralGrid(images, sigma_spatial, sigma_luma, sigma_chroma)
    return grid.solve(targets, confidence, lam, tolerance, iterations)


def _check(images: Tensor, sigmas: Sigmas) -> None:
    """Raise an error for images and cell sizes without a grid."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise SodError(f"images: shape {list(images.shape)} is not [B, 3, H, W] with B, H, W >= 1")
    for name, sigma in vars(sigmas).items():
        if not sigma > 0:
            raise SodError(f"sigma_{name}: {sigma} is not > 0; give the side of a grid cell")


def _splat(
    vertices: Vertices, targets: Tensor, confidence: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Sum weighted targets ``[B, T, H, W]`` and their weights at the vertices, ``[·, N]``."""
    if isinstance(confidence, Tensor):
        confidence = confidence.double()
        return _sums(vertices, targets * confidence), _sums(vertices, confidence)
    counts = vertices.counts[None].double()
    return _sums(vertices, targets).mul_(confidence), counts.mul_(confidence)


def _sums(vertices: Vertices, maps: Tensor) -> Tensor:
    """Sum maps ``[B, T, H, W]`` over the pixels of each vertex, ``[T, N]`` in float64."""
    values = maps.transpose(0, 1).flatten(1).double()
    sums = values.new_zeros(len(values), len(vertices.counts))
    return sums.index_add_(1, vertices.pixels.long(), values)


def _slice(vertices: Vertices, values: Tensor, targets: Tensor) -> Tensor:
    """Read values ``[K, N]`` of vertices at the pixels, clipped to [0, 1], as ``[B, K, H, W]``."""
    dtype = targets.dtype if targets.is_floating_point() else torch.float32
    pixels = values.new_empty((len(values), len(vertices.pixels)), dtype=dtype)
    for row, value in zip(pixels, values.clamp_(0, 1).to(dtype), strict=True):
        torch.index_select(value, 0, vertices.pixels, out=row)  # faster than all rows at once
    batch, _, height, width = targets.shape
    return pixels.view(-1, batch, height, width).transpose(0, 1)
