import pytest
import torch

from sod.nn.backbones.taps import Tap
from sod.tuning.configurations import Configuration, configurations
from sod.tuning.cuts import ImageCuts
from sod.tuning.scores import (
    beaten_shares,
    feature_indices,
    robust_scores,
    score_configurations,
)


def test_the_configuration_that_finds_the_object_is_the_best() -> None:
    chosen = configurations([Tap("key", 0), Tap("token", 0), Tap("value", 0)], [0.2, 0.3])
    assert feature_indices(chosen).tolist() == [0, 0, 1, 1, 2, 2]
    images, cuts = [], []
    for left in (2, 3):
        image = torch.full((3, 64, 64), 0.2)
        image[1, 16:48, 8 * left : 8 * left + 24] = 0.9
        masks = torch.zeros(6, 8, 8, dtype=torch.bool)
        masks[0, 2:6, left : left + 3] = True  # the object
        masks[1, 2:6, left : left + 4] = True
        masks[2, 1:6, left : left + 3] = True
        masks[3, :1] = True  # a part of the border
        masks[4, 2:6, left : left + 2] = True
        images.append(image)
        cuts.append(ImageCuts(masks, (64, 64)))  # the last one finds nothing
    scores, votes = score_configurations(chosen, cuts, lambda: images)
    assert [vote.shape for vote in votes] == [(64, 64)] * 2
    assert scores.best == 0
    assert scores.score[5] == 0
    assert scores.score[0] == 1
    assert scores.consensus[0] > 0.95
    assert scores.area.tolist()[:2] == [12 / 64, 16 / 64]
    assert scores.border[3] == 8 / 28
    assert scores.median in (1, 2, 4)


def test_ties_beat_nobody() -> None:
    shares = beaten_shares(torch.tensor([0.5, 0.0, 0.9, 0.0, 0.5]))
    assert shares.tolist() == [0.5, 0.0, 1.0, 0.0, 0.5]


def test_neighbouring_blocks_support_each_other() -> None:
    taps = [Tap(facet, block) for block in range(3) for facet in ("key", "value")]
    chosen = configurations(taps, [0.2, 0.3])
    shares = torch.zeros(1, 12)
    shares[0, chosen.index(Configuration(Tap("key", 1), 0.3))] = 1.0
    scores = robust_scores(shares, chosen)
    for each, score in zip(chosen, scores.tolist(), strict=True):
        same = each.tap.facet == "key" and each.tau == 0.3
        # By hand: 1 / (1/2 + 1 + 1/2) at its own block, (1/2) / (1 + 1/2) at the outer ones.
        assert score == pytest.approx((1 / 2 if each.tap.block == 1 else 1 / 3) if same else 0)


def test_the_worst_quarter_of_the_images_does_not_count() -> None:
    chosen = configurations([Tap("key", 0)], [0.2, 0.3])
    shares = torch.tensor([[0.0, 0.4], [0.8, 0.4], [0.7, 0.4], [0.6, 0.4]])
    torch.testing.assert_close(robust_scores(shares, chosen), torch.tensor([0.7, 0.4]))
    torch.testing.assert_close(robust_scores(shares[:3], chosen), torch.tensor([0.5, 0.4]))
