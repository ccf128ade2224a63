"""The linear systems of the solver, for one image and for a batch."""

import torch
from helpers.bilateral_oracle import coordinates, scene
from torch import Tensor

from sod.refinement import BilateralGrid
from sod.refinement.batched_system import BatchedSystem
from sod.refinement.cells import Sigmas, Vertices, find_vertices
from sod.refinement.sparse_system import SparseSystem


def splat(vertices: Vertices, maps: Tensor) -> Tensor:
    """Sum maps ``[T, B*H*W]`` over the pixels of each vertex."""
    sums = torch.zeros(len(maps), len(vertices.counts), dtype=torch.float64)
    return sums.index_add_(1, vertices.pixels.long(), maps.double())


def test_a_batch_in_one_system_equals_one_system_each() -> None:
    scenes = [scene(48, 64, seed) for seed in range(3)]
    images, targets = map(torch.cat, zip(*scenes, strict=True))
    images[1] = 0.3
    targets[2] = 0
    vertices = find_vertices(images, Sigmas())
    data = splat(vertices, torch.stack([targets.flatten(), 1 - targets.flatten()]))
    solved = (
        BatchedSystem(vertices, 3)
        .solve(data, vertices.counts[None].double(), 256.0, 1e-5, 25)[:, vertices.pixels]
        .view(2, 3, 1, 48, 64)
    )
    for index in range(3):
        grid = BilateralGrid(images[index : index + 1])
        for which, target in enumerate((targets, 1 - targets)):
            alone = grid.solve(target[index : index + 1].double(), confidence=1.0)
            torch.testing.assert_close(
                solved[which, index].clamp(0, 1), alone[0], atol=1e-9, rtol=0
            )


def test_both_systems_stop_at_the_tolerance() -> None:
    image, target = scene(48, 64)
    vertices = find_vertices(image, Sigmas())
    data = splat(vertices, target.flatten(1))
    weight = vertices.counts[None].double()
    sparse = SparseSystem(vertices).solve(data, weight, 256.0, 0.05, 100)
    batched = BatchedSystem(vertices, 1).solve(data, weight, 256.0, 0.05, 100)
    exact = SparseSystem(vertices).solve(data, weight, 256.0, 1e-12, 1000)
    torch.testing.assert_close(sparse, batched, atol=1e-9, rtol=0)
    assert (sparse - exact).abs().max() > 1e-3


def test_neighbours_are_one_step_away_along_one_axis() -> None:
    images = torch.cat([scene(40, 50, seed)[0] for seed in range(2)])
    vertices = find_vertices(images, Sigmas(16.0, 40.0, 20.0))
    cells: list[tuple[int, ...]] = [()] * len(vertices.counts)
    for number, pixels in enumerate((images * 255).round().double().permute(0, 2, 3, 1).numpy()):
        points = coordinates(pixels, 16.0, 40.0, 20.0)
        start = number * len(points)
        for vertex, (x, y, *colour) in zip(
            vertices.pixels[start : start + len(points)].tolist(), points.tolist(), strict=True
        ):
            cells[vertex] = (number, y, x, *colour)
    assert sorted(cells) == cells
    where = {cell: vertex for vertex, cell in enumerate(cells)}
    for cell, found in zip(cells, vertices.neighbours.tolist(), strict=True):
        steps = [(axis, step) for axis in range(1, 6) for step in (-1, 1)]
        moved = [(*cell[:axis], cell[axis] + step, *cell[axis + 1 :]) for axis, step in steps]
        assert sorted(found) == sorted(where.get(other, -1) for other in moved)
