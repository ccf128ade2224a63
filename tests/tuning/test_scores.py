import torch

from sod.nn.backbones.taps import Tap
from sod.tuning.configurations import configurations
from sod.tuning.cuts import ImageCuts
from sod.tuning.scores import beaten_shares, feature_indices, score_configurations


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
