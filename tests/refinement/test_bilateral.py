"""The bilateral solver: agreement with the plain formulation, and its properties."""

import numpy as np
import pytest
import torch
from helpers.bilateral_oracle import scene, solve, solve_tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sod.core.errors import SodError
from sod.refinement import BilateralGrid, bilateral_solver


def assert_plain(image: Tensor, target: Tensor, **options: float | Tensor) -> None:
    """Compare the solver with the plain formulation."""
    confidence = options.get("confidence")
    plain = {**options}
    if isinstance(confidence, Tensor):
        plain["confidence"] = confidence[0, 0].double().numpy()
    solved = bilateral_solver(image, target, **options)
    assert solved.dtype == target.dtype
    assert solved.shape == target.shape
    expected = solve_tensors(image, target, **plain)
    np.testing.assert_allclose(solved[0, 0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(1, 1), (1, 57), (203, 1), (17, 16), (61, 83), (300, 400)])
def test_agrees_with_the_plain_formulation(size: tuple[int, int], dtype: torch.dtype) -> None:
    image, target = scene(*size)
    assert_plain(image.to(dtype), target.to(dtype))


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
    assert_plain(*scene(90, 70), **options)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 255))
def test_agrees_with_the_plain_formulation_on_random_input(
    height: int, width: int, seed: int, highest: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, highest + 1, (1, 3, height, width), generator=generator) / 255
    target = torch.rand((1, 1, height, width), generator=generator)
    assert_plain(image, target)


def test_confidence_may_vary_from_pixel_to_pixel() -> None:
    image, target = scene(50, 60)
    confidence = torch.rand(1, 1, 50, 60, generator=torch.Generator().manual_seed(1))
    assert_plain(image, target, confidence=confidence)


def test_a_very_long_image_has_a_grid() -> None:
    assert_plain(*scene(30_000, 1))


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
    for each_target in (target, 1 - target):
        expected = bilateral_solver(image, each_target)
        torch.testing.assert_close(grid.solve(each_target), expected)


def test_several_weights_are_solved_on_one_grid() -> None:
    images, targets = map(torch.cat, zip(*(scene(40, 50, seed) for seed in range(2)), strict=True))
    targets = torch.cat([targets, 1 - targets.flip(-1)], 1)
    confidence = torch.rand(2, 1, 40, 50, generator=torch.Generator().manual_seed(1))
    for confidences in (0.9, confidence):
        solved = BilateralGrid(images).solve(targets, confidences, (8.0, 64.0))
        each = [bilateral_solver(images, targets, confidences, lam=lam) for lam in (8.0, 64.0)]
        torch.testing.assert_close(solved, torch.cat(each, 1), atol=0, rtol=0)
        assert not torch.equal(*each)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_constant_targets_do_not_change(value: float) -> None:
    image, target = scene(40, 50)
    torch.testing.assert_close(bilateral_solver(image, 0 * target + value), 0 * target + value)


def test_in_a_constant_image_only_positions_matter() -> None:
    image, target = torch.full((1, 3, 45, 61), 0.5), scene(45, 61)[1]
    assert_plain(image, target)
    solved = bilateral_solver(image, target)
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


def test_output_is_clipped() -> None:
    image, target = scene(200, 200, seed=1)
    levels = (image[0] * 255).double().permute(1, 2, 0).numpy()
    plain = solve(levels, target[0, 0].double().numpy(), iterations=2)
    solved = bilateral_solver(image, target, iterations=2)[0, 0].numpy()
    assert plain.min() < -0.05
    assert plain.max() > 1.05
    np.testing.assert_allclose(solved, plain.clip(0, 1), atol=1e-6)


def test_boolean_targets_give_float32() -> None:
    image, target = scene(30, 30)
    solved = bilateral_solver(image, target.bool())
    torch.testing.assert_close(solved, bilateral_solver(image, target))


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
def test_errors_have_one_line(images: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(SodError, match=message) as raised:
        bilateral_solver(images, targets)
    assert "\n" not in str(raised.value)


def test_a_cell_needs_a_positive_size() -> None:
    with pytest.raises(SodError, match="sigma_luma"):
        BilateralGrid(torch.zeros(1, 3, 4, 4), sigma_luma=0)
