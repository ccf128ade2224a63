import pytest
import torch

from sod.engine.monitors import foreground_shares, label_free_measures, label_free_score
from sod.methods.centre_box import CentreBox


def test_shares_of_a_painted_corner() -> None:
    saliency = torch.zeros(2, 1, 4, 5)
    saliency[0, 0, :2, :2] = 0.9
    saliency[1] = 1
    shares = foreground_shares(saliency)
    assert shares["foreground"].tolist() == pytest.approx([4 / 20, 1])
    assert shares["corners"].tolist() == [0.25, 1]
    # Three of the fourteen border pixels; the fourth painted one is inside.
    assert shares["border"].tolist() == pytest.approx([3 / 14, 1])


def test_the_score_does_not_fall_for_painting_all_or_nothing() -> None:
    foreground = torch.tensor([0.2, 1.0, 0.0, 0.2])
    border = torch.tensor([0.1, 1.0, 0.0, 0.5])
    sure = torch.tensor([0.8, 1.0, 1.0, 0.8])
    score = label_free_score(foreground, border, sure, torch.tensor([0.5, 1, 1, 0.5]))
    assert score.tolist() == pytest.approx([0.36, 0, 0, 0.2])


def test_label_free_measures_of_a_mirrored_and_of_a_full_map() -> None:
    images = torch.zeros(2, 3, 32, 48)
    measures = label_free_measures(CentreBox(share=0.5).saliency, images)
    assert measures["augmentation"].tolist() == [1.0, 1.0]
    assert measures["border"].tolist() == [0.0, 0.0]
    torch.testing.assert_close(measures["score"], measures["refinement"])
    full = label_free_measures(lambda maps: maps[:, :1] + 1, images)
    assert full["score"].tolist() == [0.0, 0.0]


def test_augmentation_is_the_iou_with_the_mirrored_prediction() -> None:
    images = torch.zeros(1, 3, 4, 6)
    images[..., :2] = 1  # its mirror image has nothing in common with it
    measures = label_free_measures(lambda maps: maps[:, :1], images)
    assert measures["augmentation"].tolist() == [1.0]
    first = label_free_measures(lambda _: images[:, :1], images)
    assert first["augmentation"].tolist() == [0.0]
