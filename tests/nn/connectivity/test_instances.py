import numpy as np
import pytest
import torch
from helpers.connectivity_cases import MASKS, as_masks, cube_from_labels
from hypothesis import given, settings
from scipy.ndimage import label

from sod.core.errors import SodError
from sod.nn.connectivity.cube import cube_from_masks
from sod.nn.connectivity.instances import instances, resize_instances


def test_touching_instances_stay_apart() -> None:
    labels = torch.zeros(9, 12, dtype=torch.long)
    labels[1:8, 1:4] = 7
    labels[1:8, 4:10] = 3
    labels[8, 11] = 5  # a single pixel: no pair, no instance
    objects = instances(cube_from_labels(labels[None, None])[0])
    expected = torch.zeros_like(labels)
    expected[labels == 3] = 1  # the largest first
    expected[labels == 7] = 2
    assert torch.equal(objects.labels, expected)
    assert objects.boxes.tolist() == [[4, 1, 10, 8], [1, 1, 4, 8]]
    assert objects.areas.tolist() == [42, 21]
    # 20 inner pixels of 8 links; 4 corners of 3; 18 others of 5.
    assert objects.scores[0].item() == pytest.approx((20 * 8 + 4 * 3 + 18 * 5) / 8 / 42)


@given(mask=MASKS)
@settings(max_examples=40, deadline=None)
def test_instances_of_a_mask_are_its_connected_components(mask: np.ndarray) -> None:
    objects = instances(cube_from_masks(as_masks(mask))[0])
    components, count = label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(components.ravel(), minlength=count + 1)[1:]
    assert objects.areas.tolist() == sorted((size for size in sizes if size > 1), reverse=True)
    for index, area in enumerate(objects.areas.tolist()):
        inside = objects.labels.numpy() == index + 1
        assert inside.sum() == area
        assert len(np.unique(components[inside])) == 1


def test_equal_instances_are_in_raster_order_and_small_ones_are_left_out() -> None:
    mask = torch.zeros(1, 1, 6, 9)
    mask[..., 4, 0:3] = 1
    mask[..., 1, 5:8] = 1
    mask[..., 1:3, 0] = 1
    objects = instances(cube_from_masks(mask)[0], min_area=3)
    assert objects.boxes.tolist() == [[5, 1, 8, 2], [0, 4, 3, 5]]
    assert instances(torch.zeros(8, 4, 4)).boxes.shape == (0, 4)


def test_longer_links_bridge_a_gap() -> None:
    mask = torch.zeros(1, 1, 3, 7)
    mask[..., 1, [0, 1, 3, 4]] = 1
    assert len(instances(cube_from_masks(mask)[0]).areas) == 2
    assert instances(cube_from_masks(mask, (1, 2))[0], dilations=(1, 2)).areas.tolist() == [4]


def test_instances_need_one_image() -> None:
    with pytest.raises(SodError, match="one cube"):
        instances(torch.zeros(1, 8, 4, 4))


def test_resized_instances_keep_their_position() -> None:
    labels = torch.zeros(1, 1, 6, 6, dtype=torch.int64)
    labels[..., 0:2, 0:2], labels[..., 3:6, 3:6] = 1, 2
    cube = cube_from_labels(labels)[0]
    objects = resize_instances(instances(cube), (12, 18))
    assert objects.boxes.tolist() == [[9, 6, 18, 12], [0, 0, 6, 4]]
    assert objects.areas.tolist() == [54, 24]
    assert objects.labels.shape == (12, 18)
    assert objects.labels[8, 12] == 1
    tiny = resize_instances(instances(cube), (1, 1))
    assert tiny.boxes.tolist() == [[0, 0, 1, 1]]
    assert len(tiny.scores) == len(tiny.areas) == 1
