import numpy as np
import pytest
import torch
from helpers.metric_cases import blob
from numpy.typing import NDArray
from scipy import ndimage

from sod.metrics.context import context_measure, context_of

Array = NDArray[np.float64]


def plain_context(values: Array, mask: NDArray[np.bool_]) -> float:
    """The context measure with whole images and without OpenCV."""
    rows, columns = np.nonzero(mask)
    covariance = np.cov(rows, columns)
    covariance *= 36 / np.trace(covariance)
    reach = [round(3 * np.sqrt(covariance[k, k])) for k in (0, 1)]
    grid = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    kernel = np.exp(-0.5 * np.einsum("ihw,ij,jhw->hw", grid, np.linalg.inv(covariance), grid))
    kernel /= kernel.sum()
    near = ndimage.correlate(mask.astype(float), kernel, mode="mirror")
    forward = (near * values).sum() / values.sum()
    found = 1 - np.exp(-ndimage.correlate(values, kernel, mode="mirror"))
    reverse = np.e / (np.e - 1) * found[mask].mean()
    return float(2 * forward * reverse / (forward + reverse))


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.1, 0.8), (0.9, 0.05)])
def test_the_window_of_the_object_gives_what_the_whole_image_does(
    centre: tuple[float, float],
) -> None:
    mask = blob((110, 140), centre, 0.12) > 0
    mask[50:53, 60:80] = True  # not round
    values = np.random.default_rng(0).random(mask.shape)
    context = context_of(torch.from_numpy(values), torch.from_numpy(mask))
    expected = plain_context(values, mask)
    assert context_measure(context) == pytest.approx(expected, abs=1e-7)  # single precision


def test_an_empty_mask_has_no_context() -> None:
    nothing = torch.zeros(9, 9, dtype=torch.bool)
    assert context_of(nothing.double(), nothing) is None
    assert context_measure(None) == 0
