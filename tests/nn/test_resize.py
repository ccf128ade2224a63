import numpy as np
import pytest
import torch
from PIL import Image

from sod.nn.resize import discovery_pad, lanczos_resize, pad_to_multiple, saliency_size

SIZES = [
    ((300, 400), (304, 400)),
    ((267, 400), (272, 400)),
    ((33, 50), (64, 17)),
    ((200, 300), (96, 160)),
    ((5, 7), (8, 8)),
    ((1, 1), (16, 16)),
    ((301, 299), (16, 16)),
    ((20, 30), (20, 30)),
]


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("kind", ["noise", "edges"])
def test_lanczos_is_that_of_pillow(old: tuple[int, int], new: tuple[int, int], kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*old, 3), dtype=np.uint8)
    if kind == "edges":  # saturated steps overshoot and are clipped between the passes
        pixels = (pixels > 127).astype(np.uint8) * 255
    resized = Image.fromarray(pixels).resize((new[1], new[0]), Image.Resampling.LANCZOS)
    expected = np.asarray(resized).astype(int)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    result = lanczos_resize(images, new)
    levels = (result[0].permute(1, 2, 0) * 255).numpy()
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
    difference = np.abs(levels.round().astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


def test_lanczos_takes_batches() -> None:
    images = torch.rand(2, 3, 20, 30)
    together = lanczos_resize(images, (16, 32))
    assert torch.equal(together[1], lanczos_resize(images[1], (16, 32)))
    assert together.min() >= 0
    assert together.max() <= 1


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [
        ((300, 400), 16, (304, 400)),
        ((267, 400), 16, (272, 400)),
        ((24, 40), 16, (32, 32)),  # 1.5 and 2.5 patches: halves go to the even number
        ((5, 3), 16, (16, 16)),
        ((299, 301), 8, (296, 304)),
    ],
)
def test_published_sizes(size: tuple[int, int], patch: int, expected: tuple[int, int]) -> None:
    assert saliency_size(*size, patch) == expected


def test_padding_is_zero_after_normalisation() -> None:
    images = torch.rand(2, 3, 17, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    padded = discovery_pad(images, 16, mean)
    assert padded.shape == (2, 3, 32, 32)
    assert torch.equal(padded[..., :17, :], images)
    normalised = (padded - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    assert not normalised[..., 17:, :].any()


def test_padding_repeats_the_last_row_and_column() -> None:
    images = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(images, 4)[0, 0]
    assert padded.tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(images[..., :2], 2).shape == (1, 1, 2, 2)
