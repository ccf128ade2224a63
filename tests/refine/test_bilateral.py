from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bilateral_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.refine import BilateralGrid, bilateral_solver
from sod.refine.batched_system import BatchedSystem
from sod.refine.cells import Sigmas, find_vertices
from sod.refine.numbering import Numbering
from sod.refine.sparse_system import SparseSystem


def scene(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a noisy 8-bit image with a bright disc [1, 3, H, W] and a rough mask of it."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    disc = (y - height / 2) ** 2 + (x - width / 3) ** 2 < (min(height, width) / 3) ** 2
    noise = torch.randint(0, 40, (3, height, width), generator=generator)
    image = (noise + torch.tensor([150, 90, 60]).view(3, 1, 1) * disc + 20).float() / 255
    box = ((y - height / 2).abs() < height / 3) & ((x - width / 2).abs() < width / 3)
    return image[None], box.float()[None, None]


def plain(image: Tensor, target: Tensor, **options: float | np.ndarray) -> np.ndarray:
    levels = (image[0].double() * 255 * 2**12).round() / 2**12
    solved = oracle.solve(levels.permute(1, 2, 0).numpy(), target[0, 0].double().numpy(), **options)
    return np.clip(solved, 0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(1, 1), (1, 57), (203, 1), (17, 16), (61, 83), (300, 400)])
def test_agrees_with_the_plain_formulation(size: tuple[int, int], dtype: torch.dtype) -> None:
    image, target = scene(*size)
    solved = bilateral_solver(image.to(dtype), target.to(dtype))
    assert solved.dtype == dtype
    assert solved.shape == target.shape
    np.testing.assert_allclose(solved[0, 0].numpy(), plain(image, target), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"sigma_spatial": 7.0, "sigma_luma": 4.0, "sigma_chroma": 4.0},
        {"sigma_spatial": 500.0, "sigma_luma": 512.0, "sigma_chroma": 512.0},
        {"lam": 4.0, "confidence": 0.5},
        {"tolerance": 1e-1},
        {"iterations": 3},
    ],
)
def test_agrees_with_the_plain_formulation_for_other_settings(options: dict[str, float]) -> None:
    image, target = scene(90, 70)
    solved = bilateral_solver(image, target, **options)
    np.testing.assert_allclose(solved[0, 0].numpy(), plain(image, target, **options), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 255))
def test_agrees_with_the_plain_formulation_on_random_input(
    height: int, width: int, seed: int, range_: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, range_ + 1, (1, 3, height, width), generator=generator) / 255
    target = torch.rand((1, 1, height, width), generator=generator)
    solved = bilateral_solver(image, target)[0, 0].numpy()
    np.testing.assert_allclose(solved, plain(image, target), atol=1e-6)


def test_confidence_may_vary_from_pixel_to_pixel() -> None:
    image, target = scene(50, 60)
    confidence = torch.rand(1, 1, 50, 60, generator=torch.Generator().manual_seed(1))
    expected = plain(image, target, confidence=confidence[0, 0].double().numpy())
    solved = bilateral_solver(image, target, confidence)
    np.testing.assert_allclose(solved[0, 0].numpy(), expected, atol=1e-6)


def test_a_batch_of_several_targets_equals_one_by_one() -> None:
    images, targets = map(torch.cat, zip(*(scene(64, 48, seed) for seed in range(4)), strict=True))
    targets = torch.cat([targets, targets.flip(-1)], 1)
    together = bilateral_solver(images, targets)
    assert together.shape == (4, 2, 64, 48)
    for index in range(4):
        for which in range(2):
            alone = bilateral_solver(images[index][None], targets[index, which][None, None])
            torch.testing.assert_close(together[index, which], alone[0, 0], atol=0, rtol=0)


def test_works_in_inference_mode() -> None:
    image, target = scene(40, 50)
    with torch.inference_mode():
        solved = bilateral_solver(image * 1, target * 1)
    torch.testing.assert_close(solved.clone(), bilateral_solver(image, target), atol=0, rtol=0)


def test_the_number_of_threads_changes_nothing() -> None:
    image, target = scene(300, 400)
    threads = torch.get_num_threads()
    solved = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            solved.append(bilateral_solver(image, target))
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(*solved, atol=0, rtol=0)


def test_one_grid_serves_several_targets() -> None:
    image, target = scene(40, 50)
    grid = BilateralGrid(image)
    for wanted in (target, 1 - target):
        torch.testing.assert_close(grid.solve(wanted), bilateral_solver(image, wanted))


def test_many_images_in_one_system_are_as_each_in_its_own() -> None:
    scenes = [scene(48, 64, seed) for seed in range(3)]
    images, targets = map(torch.cat, zip(*scenes, strict=True))
    images[1] = 0.3
    targets[2] = 0
    vertices = find_vertices(images, Sigmas())
    data = torch.zeros(2, len(vertices.counts), dtype=torch.float64)
    maps = torch.stack([targets.flatten(), 1 - targets.flatten()]).double()
    data.index_add_(1, vertices.pixels.long(), maps)
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
    data = torch.zeros(1, len(vertices.counts), dtype=torch.float64)
    data.index_add_(1, vertices.pixels.long(), target.flatten(1).double())
    weight = vertices.counts[None].double()
    sparse = SparseSystem(vertices).solve(data, weight, 256.0, 0.05, 100)
    batched = BatchedSystem(vertices, 1).solve(data, weight, 256.0, 0.05, 100)
    exact = SparseSystem(vertices).solve(data, weight, 256.0, 1e-12, 1000)
    torch.testing.assert_close(sparse, batched, atol=1e-9, rtol=0)
    assert (sparse - exact).abs().max() > 1e-3


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_constant_targets_stay(value: float) -> None:
    image, target = scene(40, 50)
    torch.testing.assert_close(bilateral_solver(image, 0 * target + value), 0 * target + value)


def test_a_constant_image_smooths_over_places_alone() -> None:
    image, target = torch.full((1, 3, 45, 61), 0.5), scene(45, 61)[1]
    solved = bilateral_solver(image, target)
    np.testing.assert_allclose(solved[0, 0].numpy(), plain(image, target), atol=1e-6)
    for tile in (solved[..., :16, :16], solved[..., 32:, 48:]):
        assert tile.unique().numel() == 1


def test_an_object_above_half_of_the_image_follows_the_edges() -> None:
    image = torch.full((1, 3, 60, 80), 0.2)
    image[..., 10:] = 0.8
    target = torch.zeros(1, 1, 60, 80)
    target[..., 5:55, 20:75] = 1
    mask = bilateral_solver(image, target) > 0.5
    expected = torch.zeros_like(mask)
    expected[..., 10:] = True
    torch.testing.assert_close(mask, expected)


def test_output_is_clipped_and_finite() -> None:
    image, target = scene(70, 50)
    solved = bilateral_solver(image, 1 - target)
    assert solved.min() >= 0
    assert solved.max() <= 1


def test_boolean_targets_give_float32() -> None:
    image, target = scene(30, 30)
    solved = bilateral_solver(image, target.bool())
    torch.testing.assert_close(solved, bilateral_solver(image, target))


def test_a_very_long_image_has_a_grid() -> None:
    image, target = scene(30_000, 1)
    np.testing.assert_allclose(
        bilateral_solver(image, target)[0, 0].numpy(), plain(image, target), atol=1e-6
    )


def test_numbers_are_the_same_by_table_and_by_sorting() -> None:
    keys = torch.randint(1, 99, (500,), generator=torch.Generator().manual_seed(0))
    table, sorting = Numbering(keys, 100), Numbering(keys, 10**9)
    wanted = torch.arange(100)
    for numbering in (table, sorting):
        values, numbers, counts = np.unique(keys.numpy(), return_inverse=True, return_counts=True)
        np.testing.assert_array_equal(numbering.values.numpy(), values)
        np.testing.assert_array_equal(numbering.numbers.numpy(), numbers)
        np.testing.assert_array_equal(numbering.counts.numpy(), counts)
    assert table.find(wanted).tolist() == sorting.find(wanted).tolist()


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "images: shape"),
        (torch.zeros(0, 3, 4, 4), torch.zeros(0, 1, 4, 4), "images: shape"),
        (torch.full((1, 3, 4, 4), torch.nan), torch.zeros(1, 1, 4, 4), "NaN"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 5), "targets: shape"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(2, 1, 4, 4), "targets: shape"),
    ],
)
def test_mistakes_are_told_in_one_line(images: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(SodError, match=message) as raised:
        bilateral_solver(images, targets)
    assert "\n" not in str(raised.value)


def test_a_cell_needs_a_size() -> None:
    with pytest.raises(SodError, match="sigma_luma"):
        BilateralGrid(torch.zeros(1, 3, 4, 4), sigma_luma=0)


def reference(shared: Path) -> list[tuple[str, Tensor, Tensor, np.ndarray]]:
    maps = np.load(shared / "reference" / "tokencut_ecssd_every_12th.npz")
    entries = []
    for name in sorted(key[:4] for key in maps.files if key.endswith("_mask")):
        file = shared / "data" / "ECSSD" / "images" / f"{name}.jpg"
        with Image.open(file) as opened:
            pixels = np.array(opened.convert("RGB"))
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        target = torch.from_numpy(maps[f"{name}_mask"])[None, None].float()
        entries.append((name, image, target, maps[f"{name}_soft"] / 255))
    return entries


def test_equals_the_published_maps(shared: Path) -> None:
    entries = reference(shared)
    assert len(entries) == 42
    for name, image, target, expected in entries:
        difference = np.abs(bilateral_solver(image, target)[0, 0].numpy() - expected)
        # The maps are stored with 8 bits; a few pixels lie on a border of two cells, where the
        # published sum rounds either way.
        assert difference.mean() < 1.1e-3, name
        assert (difference > 2.5e-3).mean() < 0.02, name


def test_agrees_with_the_plain_formulation_on_photographs(shared: Path) -> None:
    for name, image, target, expected in reference(shared)[::8]:
        wanted = plain(image, target)
        assert np.abs(wanted - expected).mean() < 1.1e-3, name
        solved = bilateral_solver(image, target)[0, 0].numpy()
        np.testing.assert_allclose(solved, wanted, atol=1e-6, err_msg=name)
