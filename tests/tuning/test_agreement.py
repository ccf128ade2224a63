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
    # Three configurations agree, one of them less; a fourth agrees with nobody.
    pair = torch.tensor(
        [[1.0, 0.8, 0.6, 0.0], [0.8, 1.0, 0.6, 0.0], [0.6, 0.6, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )
    scores = agreement_scores([pair], [torch.ones(4)], torch.arange(4))
    assert scores[3] == 0
    # In the limit the two best see mostly each other: above the plain mean of (0.8, 0.6, 0).
    assert 0.7 < scores[0] < 0.8
    assert scores[0] == pytest.approx(scores[1])
    assert scores[2] == pytest.approx(0.6, abs=1e-3)


def test_configurations_of_the_same_feature_do_not_support_each_other() -> None:
    pair = torch.tensor([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    scores = agreement_scores([pair], [torch.ones(3)], torch.tensor([0, 0, 1]))
    torch.testing.assert_close(scores, torch.full((3,), 0.2))


def test_scores_are_means_over_the_images() -> None:
    pair = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    free = [torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.5])]
    scores = agreement_scores([pair, pair], free, torch.arange(2))
    torch.testing.assert_close(scores, torch.tensor([0.25, 0.375]))


def test_the_best_has_the_weight_one() -> None:
    weights = vote_weights(torch.tensor([0.4, 0.8]))
    torch.testing.assert_close(weights, torch.tensor([0.5**8, 1.0]))
    assert not vote_weights(torch.zeros(2)).any()
