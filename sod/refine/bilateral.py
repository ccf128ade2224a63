"""The fast bilateral solver: soft masks that follow the edges of their image."""

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.refine.batched_system import BatchedSystem
from sod.refine.cells import Sigmas, Vertices, find_vertices
from sod.refine.sparse_system import SparseSystem

_CONFIDENCE = 0.999
_PIXELS_AT_ONCE = 2**25


class BilateralGrid:
    """The bilateral grids of some images, built once and used for any number of targets.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``, of any size and on any device.
        sigma_spatial: Side of a grid cell in pixels.
        sigma_luma: Side of a grid cell in grey levels of luma.
        sigma_chroma: Side of a grid cell in grey levels of either chroma.

    Raises:
        SodError: If the images are not of that shape, empty or not finite, or a side is not > 0.
    """

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
        # One image at a time is fastest on the CPU, which also serves devices without float64.
        batched = images.device.type == "cuda"
        self.device = images.device if batched else torch.device("cpu")
        self._at_once = max(1, _PIXELS_AT_ONCE // images[0, 0].numel()) if batched else 1

        def build(part: Tensor) -> tuple[Vertices, SparseSystem | BatchedSystem]:
            if not bool(torch.isfinite(part.sum())):
                raise SodError("images: some values are NaN or infinite; give RGB in [0, 1]")
            vertices = find_vertices(part, sigmas)
            system = BatchedSystem(vertices, len(part)) if batched else SparseSystem(vertices)
            return vertices, system

        self._grids = [build(part) for part in self._parts(images)]

    def solve(
        self,
        targets: Tensor,
        confidence: float | Tensor = _CONFIDENCE,
        lam: float = 256.0,
        tolerance: float = 1e-5,
        iterations: int = 25,
    ) -> Tensor:
        """Smooth targets along the edges of the images; see :func:`bilateral_solver`.

        Args:
            targets: In [0, 1], ``[B, T, H, W]``: ``T`` targets of each image.
            confidence: Trust in the target, >= 0: one number, or a map ``[B, 1 or T, H, W]``.
            lam: Weight λ of smoothness against fidelity to the target.
            tolerance: Conjugate gradients stop at this residual, relative to the right-hand side.
            iterations: Conjugate gradients stop after as many steps.

        Returns:
            Smoothed targets in [0, 1], in the shape and on the device of the targets, of their
            dtype where it is floating, else float32.

        Raises:
            SodError: If the targets or the confidence do not fit the images.
        """
        self._check_fit("targets", targets)
        parts = self._parts(targets)
        trusts: tuple[Tensor, ...] = ()
        if isinstance(confidence, Tensor):
            self._check_fit("confidence", confidence)
            trusts = self._parts(confidence)

        def solve(index: int) -> Tensor:
            vertices, system = self._grids[index]
            trust = trusts[index] if isinstance(confidence, Tensor) else confidence
            data, weight = _splat(vertices, parts[index], trust)
            values = system.solve(data, weight, lam, tolerance, iterations)
            return _slice(vertices, values, parts[index])

        return torch.cat([solve(index) for index in range(len(parts))]).to(targets.device)

    def _parts(self, maps: Tensor) -> tuple[Tensor, ...]:
        return torch.split(maps.detach().to(self.device), self._at_once)

    def _check_fit(self, name: str, maps: Tensor) -> None:
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

    The defaults are TokenCut's. Pixels are read and written in the dtype of the targets; the grid,
    which is small, is solved in float64 (float32 there changes results by some 1e-6 and makes the
    product with the matrix no faster on the CPU). No gradient flows through.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``, of any size and on any device.
        targets: In [0, 1], ``[B, T, H, W]``: usually one target of each image.
        confidence: Trust in the target, >= 0: one number, or a map ``[B, 1 or T, H, W]``.
        sigma_spatial: Side of a grid cell in pixels.
        sigma_luma: Side of a grid cell in grey levels of luma.
        sigma_chroma: Side of a grid cell in grey levels of either chroma.
        lam: Weight λ of smoothness against fidelity to the target.
        tolerance: Conjugate gradients stop at this residual, relative to the right-hand side.
        iterations: Conjugate gradients stop after as many steps.

    Returns:
        Smoothed targets in [0, 1], in the shape and on the device of the targets, of their dtype
        where it is floating, else float32.

    Raises:
        SodError: If a shape does not fit, the images are empty or not finite, or a side is not > 0.
    """
    grid = BilateralGrid(images, sigma_spatial, sigma_luma, sigma_chroma)
    return grid.solve(targets, confidence, lam, tolerance, iterations)


def _check(images: Tensor, sigmas: Sigmas) -> None:
    """Refuse images and cell sizes that have no grid."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise SodError(f"images: shape {list(images.shape)} is not [B, 3, H, W] with B, H, W >= 1")
    for name, sigma in vars(sigmas).items():
        if not sigma > 0:
            raise SodError(f"sigma_{name}: {sigma} is not > 0; give the side of a grid cell")


def _splat(vertices: Vertices, targets: Tensor, trust: float | Tensor) -> tuple[Tensor, Tensor]:
    """Sum trusted targets ``[B, T, H, W]`` and the trust itself at the vertices, ``[·, N]``."""
    if isinstance(trust, Tensor):
        trust = trust.double()
        return _sums(vertices, targets * trust), _sums(vertices, trust)
    return _sums(vertices, targets).mul_(trust), vertices.counts[None].double().mul_(trust)


def _sums(vertices: Vertices, maps: Tensor) -> Tensor:
    values = maps.transpose(0, 1).flatten(1).double()
    sums = values.new_zeros(len(values), len(vertices.counts))
    return sums.index_add_(1, vertices.pixels.long(), values)


def _slice(vertices: Vertices, values: Tensor, targets: Tensor) -> Tensor:
    """Read values ``[T, N]`` of vertices at the pixels, clipped, in the shape of the targets."""
    dtype = targets.dtype if targets.is_floating_point() else torch.float32
    pixels = values.clamp_(0, 1).to(dtype).index_select(1, vertices.pixels)
    batch, count, height, width = targets.shape
    return pixels.view(count, batch, height, width).transpose(0, 1)
