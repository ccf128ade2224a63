import cv2
import numpy as np
import pytest
import torch
from helpers.metric_cases import blob, maps
from helpers.metric_reference import plain_boundary_iou
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from sod.metrics import get_protocol, measure
from sod.metrics.boundary import _near, boundary_f, boundary_iou

Mask = NDArray[np.bool_]


def plain_boundary_f(binary: Mask, truth: Mask) -> float:
    """The contour accuracy of DAVIS, with explicit dilation by a disc."""
    reach = int(np.ceil(0.008 * np.hypot(*truth.shape)))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = rows**2 + columns**2 <= reach**2
    edges = []
    for mask in (binary, truth):
        padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
        others = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
        edges.append(np.any([mask != other for other in others], axis=0))
    near = [ndimage.binary_dilation(edge, disc) for edge in edges]
    precision = (edges[0] & near[1]).sum() / edges[0].sum()
    recall = (edges[1] & near[0]).sum() / edges[1].sum()
    both = precision + recall
    return float(2 * precision * recall / both) if both else 0.0


@pytest.mark.parametrize("size", [(40, 50), (300, 200)])
def test_both_equal_their_plain_formulation(size: tuple[int, int]) -> None:
    mask = blob(size, (0.4, 0.5), 0.3)
    truth = mask > 128
    for name in ("soft", "soft and noisy", "eroded", "shifted", "noise"):
        binary = maps(mask, np.random.default_rng(1))[name] > 127
        pair = torch.from_numpy(binary), torch.from_numpy(truth)
        assert boundary_iou(*pair) == pytest.approx(plain_boundary_iou(binary, truth)), name
        assert boundary_f(*pair) == pytest.approx(plain_boundary_f(binary, truth)), name


def test_a_thin_leg_counts_more_than_its_area() -> None:
    truth = np.zeros((200, 200), np.uint8)
    cv2.rectangle(truth, (60, 20), (140, 100), 1, -1)
    whole = truth.copy()
    cv2.rectangle(truth, (98, 100), (102, 190), 1, -1)
    pair = torch.from_numpy(whole > 0), torch.from_numpy(truth > 0)
    iou = float((pair[0] & pair[1]).sum() / (pair[0] | pair[1]).sum())
    assert iou > 0.9
    assert boundary_iou(*pair) < 0.85
    assert boundary_f(*pair) < iou


def one(empty: float, *pair: Tensor) -> list[float]:
    return [function(*pair, empty) for function in (boundary_iou, boundary_f)]


def test_empty_maps_and_masks() -> None:
    nothing = torch.zeros(20, 20, dtype=torch.bool)
    some = nothing.clone()
    some[5:9, 5:9] = True
    assert one(1.0, nothing, nothing) == [1.0, 1.0]
    assert one(0.0, nothing, nothing) == [0.0, 0.0]
    assert boundary_iou(nothing, nothing) == boundary_f(nothing, nothing) == 0.0
    assert one(1.0, some, nothing) == one(1.0, nothing, some) == [0.0, 0.0]


def test_average_precision_and_roc_are_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="no scikit-learn: the dev extra has it")
    mask = blob((30, 40), (0.5, 0.4), 0.3)
    names = ("auc_roc", "auc_pr")
    for protocol in ("mean-max", "a2s"):
        for kind in ("soft and noisy", "ramp", "three levels", "perfect"):
            picture = maps(mask, np.random.default_rng(2))[kind]
            values = torch.from_numpy(picture).float() / 255
            found = measure(values, torch.from_numpy(mask), get_protocol(protocol), names=names)
            truth = mask.ravel() > 0
            levels = picture.ravel().astype(int)
            if protocol == "a2s":
                levels = (levels - levels.min()) * 255 // max(int(np.ptp(levels)), 1)
            expected = [
                sklearn.roc_auc_score(truth, levels),
                sklearn.average_precision_score(truth, levels),
            ]
            assert found.values.tolist() == pytest.approx(expected, abs=1e-9), (protocol, kind)


@pytest.mark.parametrize("reach", [1, 4, 16, 17])
def test_near_an_edge_is_within_a_disc(reach: int) -> None:
    edges = np.zeros((60, 70), np.uint8)
    edges[20, 30] = edges[59, 0] = 1
    expected = ndimage.distance_transform_edt(1 - edges) <= reach
    assert (_near(edges, reach) == expected).all()
