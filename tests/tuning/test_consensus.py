import torch
import torch.nn.functional as F

from sod.refinement.masks import mask_iou
from sod.tuning.consensus import consensus, overlaps


def test_overlaps_are_those_of_the_resized_cuts() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(5, 4, 6, generator=generator) > 0.5
    mask = torch.rand(37, 50, generator=generator) > 0.6
    full = F.interpolate(masks[:, None].float(), (37, 50), mode="nearest")[:, 0] > 0.5
    torch.testing.assert_close(overlaps(masks, mask), mask_iou(full, mask).float())


def test_empty_cuts_overlap_with_nothing() -> None:
    nothing = torch.zeros(1, 2, 2, dtype=torch.bool)
    assert overlaps(nothing, torch.zeros(4, 4, dtype=torch.bool)).item() == 0


def test_the_refined_vote_follows_the_edges_of_the_image() -> None:
    image = torch.full((3, 64, 64), 0.2)
    image[0, 20:44, 20:44] = 0.9
    truth = torch.zeros(64, 64, dtype=torch.bool)
    truth[20:44, 20:44] = True
    masks = torch.zeros(3, 8, 8, dtype=torch.bool)
    masks[0, 2:5, 2:6] = True
    masks[1, 2:6, 2:5] = True
    masks[2, :2, :2] = True
    result = consensus(image, masks, torch.tensor([1.0, 1.0, 0.1]))
    assert mask_iou(result.mask, truth) > 0.9
    assert result.overlap[2] < 0.1 < 0.5 < result.overlap[0]
