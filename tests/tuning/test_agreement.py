import pytest
import torch

from sod.tuning.agreement import agreement_scores, pairwise_iou, plausibility, vote_weights


def masks(*rows: str) -> torch.Tensor:
    """One mask of one row per text, ``#`` being foreground."""
    return torch.tensor([[[character == "#" for character in row]] for row in rows])


def test_pairs_of_masks_are_compared() -> None:
    result = pairwise_iou(masks("##..", ".##.", "....", "####"))
    expected = [[1, 1 / 3, 0, 0.5], [1 / 3, 1, 0, 0.5], [0, 0, 0, 0], [0.5, 0.5, 0, 1]]
    torch.testing.assert_close(result, torch.tensor(expected))


def test_plausibility_is_the_free_border_of_a_sensible_area() -> None:
    block = torch.zeros(4, 4, 4, dtype=torch.bool)
    block[0, 1:3, 1:3] = True  # inside
    block[1, :2, :2] = True  # three of the twelve border tokens
    block[2] = True  # everything
    torch.testing.assert_close(plausibility(block), torch.tensor([1.0, 0.75, 0.0, 0.0]))


def test_others_count_by_their_own_score() -> None:
    # Of ten tokens: two cuts agree best, a third less, a fourth with nobody.
    cuts = masks("#####.....", ".#####....", "..#####...", ".........#")
    scores = agreement_scores([cuts], [torch.ones(4)], torch.arange(4))
    assert scores[3] == 0
    # The middle one sees 2/3 twice and 0, the outer ones 2/3, 3/7 and 0: without weights 4/9.
    assert scores[1] == pytest.approx(2 / 3, abs=1e-3)
    assert scores[0] == pytest.approx(scores[2])
    assert 3 / 7 < scores[0] < 2 / 3


def test_configurations_of_the_same_feature_do_not_support_each_other() -> None:
    cuts = masks("##..", "##..", ".##.")
    scores = agreement_scores([cuts], [torch.ones(3)], torch.tensor([0, 0, 1]))
    torch.testing.assert_close(scores, torch.full((3,), 1 / 3))


def test_scores_are_means_over_the_images() -> None:
    cuts = masks("##..", "###.")
    free = [torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.5])]
    scores = agreement_scores([cuts, cuts], free, torch.arange(2))
    torch.testing.assert_close(scores, torch.tensor([1 / 3, 1 / 2]))


def test_the_best_has_the_weight_one() -> None:
    weights = vote_weights(torch.tensor([0.4, 0.8]))
    torch.testing.assert_close(weights, torch.tensor([0.5**8, 1.0]))
    assert not vote_weights(torch.zeros(2)).any()
