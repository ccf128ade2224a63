import numpy as np
import pytest
import torch
from helpers.peekaboo_oracle import zeta
from torch import Tensor

from sod.core.errors import SodError
from sod.refinement import BilateralGrid, refine_targets
from sod.refinement.targets import Downsample


def squares(*boxes: tuple[int, int, int, int], size: int = 64) -> Tensor:
    """Return dark images [B, 3, size, size], each with a bright box (x0, y0, x1, y1)."""
    images = torch.full((len(boxes), 3, size, size), 0.2)
    for image, (x0, y0, x1, y1) in zip(images, boxes, strict=True):
        image[:, y0:y1, x0:x1] = 0.8
    return images


def patches(*boxes: tuple[int, int, int, int], size: int = 8) -> Tensor:
    masks = torch.zeros(len(boxes), 1, size, size, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[:, y0:y1, x0:x1] = True
    return masks


def test_equals_the_published_steps() -> None:
    images = squares((9, 17, 41, 55), (3, 2, 63, 61), (40, 40, 60, 60))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(-20, 20, images.shape, generator=generator)
    images = ((images * 255).round() + noise).clamp(0, 255) / 255
    binary = patches((1, 2, 5, 7), (1, 1, 7, 7), (0, 0, 2, 2))
    binary[0, 0, 4, 3] = False
    targets, accepted, soft = refine_targets(images, binary)
    for index in range(3):
        expected = zeta(images[index], binary[index, 0])
        np.testing.assert_array_equal(targets[index, 0].numpy(), expected.target)
        assert accepted[index, 0] == expected.accepted
        np.testing.assert_allclose(soft[index, 0].numpy(), expected.soft.clip(0, 1), atol=1e-6)
    assert accepted.flatten().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("left", "downsample", "row"),
    [
        (10, "half", [0, 1, 1, 1, 1, 0, 0, 0]),
        (10, "area", [0, 0.75, 1, 1, 1, 0.25, 0, 0]),
        # An object that ends in the middle of patches grows or shrinks.
        (12, "any", [0, 1, 1, 1, 1, 1, 0, 0]),
        (12, "half", [0, 0, 1, 1, 1, 0, 0, 0]),
    ],
)
def test_downsampling_by_any_half_and_area(
    left: int, downsample: Downsample, row: list[float]
) -> None:
    images, binary = squares((left, 8, left + 32, 48)), patches((1, 1, 5, 6))
    expected = torch.zeros(1, 1, 8, 8)
    expected[..., 1:6, :] = torch.tensor(row)
    torch.testing.assert_close(refine_targets(images, binary, downsample).targets, expected)


def test_corners_are_cells_of_one_and_three_quarters() -> None:
    """Cells are read at the mean of their four central pixels."""
    images, binary = squares((12, 12, 44, 44)), patches((1, 1, 6, 6))
    images[..., 28:44, 28:44] = 0.2  # an L, whose corners lie in the middle of cells
    binary[..., 4:, 4:] = False
    for kind, convex, edge, concave in (("any", 1, 1, 1), ("half", 0, 0, 1)):
        targets, accepted, _ = refine_targets(images, binary, kind)
        assert accepted.all()
        assert targets[0, 0, [1, 1, 3], [1, 2, 3]].tolist() == [convex, edge, concave]
        np.testing.assert_array_equal(targets[0, 0], zeta(images[0], binary[0, 0], kind).target)


@pytest.mark.parametrize(
    ("side", "min_iou", "taken"),
    [(24, 0.5, True), (20, 0.5, False), (20, 0.35, True), (24, 0.6, False)],
)
def test_a_refined_mask_needs_its_overlap(side: int, min_iou: float, taken: bool) -> None:
    """An object of 24 (20) pixels in a prediction of 32 has the IoU 0.5625 (0.390625)."""
    images, binary = squares((16, 16, 16 + side, 16 + side)), patches((2, 2, 6, 6))
    targets, accepted, soft = refine_targets(images, binary, "area", min_iou)
    assert (soft > 0.5).sum() == side**2
    assert accepted.tolist() == [[taken]]
    assert targets.sum().item() == pytest.approx(side**2 / 64 if taken else 16)


def test_an_object_above_half_of_the_image_is_not_inverted() -> None:
    targets, accepted, _ = refine_targets(squares((4, 4, 60, 60)), patches((1, 1, 7, 7)), "half")
    assert accepted.all()
    assert targets.mean() > 0.5
    assert targets[0, 0, 4, 4] == 1


def test_a_prediction_that_the_solver_erases_is_kept() -> None:
    binary = patches((3, 3, 4, 4))
    targets, accepted, _ = refine_targets(torch.full((1, 3, 64, 64), 0.5), binary)
    assert not accepted.any()
    torch.testing.assert_close(targets, binary.float())


def test_empty_and_full_predictions_do_not_change() -> None:
    images = squares((10, 10, 30, 30), (10, 10, 30, 30))
    binary = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)]).bool()
    targets, accepted, _ = refine_targets(images, binary)
    torch.testing.assert_close(targets, binary.float())
    assert accepted.tolist() == [[False], [True]]


def test_two_targets_share_one_grid() -> None:
    images = squares((9, 17, 41, 55), (30, 5, 62, 40))
    first, second = patches((1, 2, 5, 7), (4, 1, 8, 5)), patches((1, 3, 6, 7), (3, 0, 7, 5))
    together = refine_targets(images, torch.cat([first, second], 1))
    grid = BilateralGrid(images)
    for which, binary in enumerate((first, second)):
        alone = refine_targets(grid, binary)
        torch.testing.assert_close(together.targets[:, which], alone.targets[:, 0])
        torch.testing.assert_close(together.accepted[:, which], alone.accepted[:, 0])


def test_targets_carry_no_gradient() -> None:
    images = squares((9, 17, 41, 55)).requires_grad_()
    binary = patches((1, 2, 5, 7)).float().requires_grad_()
    assert not refine_targets(images, binary).targets.requires_grad


def test_errors_are_named() -> None:
    images, binary = squares((1, 1, 9, 9)), patches((0, 0, 1, 1), (0, 0, 1, 1))
    with pytest.raises(SodError, match="binary: shape"):
        refine_targets(images, binary)
    with pytest.raises(SodError, match="downsample"):
        refine_targets(images, binary[:1], "most")  # type: ignore[arg-type]


def test_the_solvers_output_comes_with_the_targets() -> None:
    images = torch.full((1, 3, 32, 32), 0.2)
    images[..., 8:24, 8:24] = 0.8
    masks = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    masks[..., 1:3, 1:3] = True
    full = torch.nn.functional.interpolate(masks.float(), (32, 32), mode="bilinear")
    soft = refine_targets(images, masks).soft
    assert torch.equal(soft, BilateralGrid(images).solve(full))
    assert soft[..., 12:20, 12:20].min() > 0.5
