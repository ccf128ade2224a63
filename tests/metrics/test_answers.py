import pytest
import torch

from sod.metrics.answers import best_iou, set_measures


def strips(*spans: tuple[int, int]) -> torch.Tensor:
    masks = torch.zeros(len(spans), 1, 20, dtype=torch.bool)
    for mask, (start, end) in zip(masks, spans, strict=True):
        mask[0, start:end] = True
    return masks


def test_the_best_of_the_first_answers_counts_for_each_mask() -> None:
    answers, masks = strips((0, 5), (0, 10), (10, 20)), strips((0, 10), (12, 20))
    found = best_iou(answers, masks, [1, 2, 3, 5])
    assert found == pytest.approx({1: 0.25, 2: 0.5, 3: (1 + 0.8) / 2, 5: (1 + 0.8) / 2})


def test_precision_is_weighted_by_scores_and_each_mask_is_matched_once() -> None:
    answers, masks = strips((0, 10), (0, 9), (10, 18)), strips((0, 10), (10, 20))
    found = set_measures(answers, torch.tensor([3.0, 2.0, 1.0]), masks)
    # the first matches at all ten thresholds, the second never (its mask is taken), the third
    # (IoU 0.8) up to 0.8: seven of them
    assert found["set_precision"] == pytest.approx((3 * 10 + 1 * 7) / 6 / 10)
    assert found["set_recall"] == pytest.approx((10 + 7) / 2 / 10)
    harmonic = 2 / (1 / found["set_precision"] + 1 / found["set_recall"])
    assert found["set_f"] == pytest.approx(harmonic)
    nothing = set_measures(strips((0, 1)), torch.ones(1), strips((5, 9)))
    assert nothing == {"set_precision": 0, "set_recall": 0, "set_f": 0}
