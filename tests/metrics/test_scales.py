import cv2
import numpy as np
import pytest
import torch
from helpers.metric_cases import blob, maps
from helpers.metric_reference import plain_scales

from sod.metrics import scale_curve
from sod.metrics.multiscale import SCALES, edge_cells, multiscale_iou, scales
from sod.metrics.scale_curve import multiscale_curve


def test_larger_cells_join_four_from_the_lower_right_corner() -> None:
    bits = np.array([[1, 2, 4], [8, 16, 32], [64, 128, 256]], np.uint64)
    first, second, third, *others = scales(bits)
    assert first is bits
    assert second.tolist() == [[1, 2 | 4], [8 | 64, 16 | 32 | 128 | 256]]
    assert third.tolist() == [[511]]
    assert len(others) == SCALES - 3
    assert {int(cells.item()) for cells in others} == {511}
    for joined, touched in zip(scales(bits), scales(bits > 8), strict=True):
        assert touched.dtype == np.bool_
        assert (touched == (joined > 8)).all()


@pytest.mark.parametrize("kind", ["soft", "soft and noisy", "three levels", "zero", "perfect"])
@pytest.mark.parametrize("thresholds", [64, 70, 256])
def test_the_curve_is_that_of_each_threshold(
    kind: str, thresholds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale_curve, "_BLOCK", 100)  # many blocks, and a last one that is smaller
    mask = blob((25, 34), (0.5, 0.4), 0.3)
    picture = cv2.resize(maps(mask, np.random.default_rng(3))[kind], (34, 25))
    codes = torch.from_numpy(picture.astype(np.int16)).clamp_(max=thresholds)
    truth = torch.from_numpy(mask > 0)
    curve, nothing = multiscale_curve(codes, edge_cells(truth), thresholds)
    assert len(curve) == thresholds
    for threshold in (0, 1, 40, 63, *({64, 69} & {*range(thresholds)}), thresholds - 1):
        binary = codes > threshold
        expected = plain_scales(binary.numpy(), truth.numpy())
        assert float(curve[threshold]) == pytest.approx(expected, abs=1e-12), threshold
        assert multiscale_iou(binary, edge_cells(truth)) == pytest.approx(expected, abs=1e-12)
    empty = np.zeros(mask.shape, bool)
    assert nothing == pytest.approx(plain_scales(empty, truth.numpy()), abs=1e-12)
