import numpy as np
import pytest
from scipy import ndimage

from sod.metrics.nearest import spread_outwards


@pytest.mark.parametrize("share", [0.002, 0.02, 0.2])
@pytest.mark.parametrize("size", [(3, 50), (40, 31)])
def test_pixels_near_a_mask_take_the_value_that_scipy_finds(
    size: tuple[int, int], share: float
) -> None:
    random = np.random.default_rng(round(1000 * share))
    mask, values = random.random(size) < share, random.random(size)
    mask[1, 2] = True  # the corners of its neighbourhood are beyond the border
    spread, before = spread_outwards(values, mask), values.copy()
    rows, columns = ndimage.distance_transform_edt(
        ~mask, return_distances=False, return_indices=True
    )
    near = ndimage.maximum_filter(mask, 7, mode="constant")
    assert (spread[near] == values[rows, columns][near]).all()
    assert (spread[~near] == values[~near]).all()
    assert (values == before).all()
