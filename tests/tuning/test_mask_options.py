import pytest
import torch
from torch import Tensor

from sod.data.samples import Sample
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.taps import Tap
from sod.spectral.masks import MasksConfig
from sod.tuning import mask_options
from sod.tuning.configurations import configurations
from sod.tuning.cuts import ImageCuts
from sod.tuning.mask_options import best_option, candidate_options, mask_of, score_options
from sod.tuning.rating import Rating
from sod.tuning.scores import Scores

TAPS = [Tap("token", block) for block in range(3)]
OBJECT = torch.zeros(8, 8, dtype=torch.bool)
OBJECT[2:6, 2:6] = True


def rating(features: int = 3) -> Rating:
    """Two configurations of each feature: of three, the last one's are the only judges."""
    taps, count = TAPS[:features], 2 * features
    chosen = configurations(taps, [0.2, 0.3])
    score = torch.tensor([0.5, 0.9, 0.6, 0.8, 0.1, 0.2])[:count]
    nothing = torch.zeros_like(OBJECT)
    masks = torch.stack([nothing, nothing, nothing, nothing, OBJECT, OBJECT])[:count]
    scores = Scores(score, score, torch.ones(count), score, score)
    config = BackboneConfig("descriptor", None)
    sample = Sample("a", mask_options.__file__, None)  # type: ignore[arg-type]
    return Rating(config, taps, chosen, [sample], [ImageCuts(masks, (64, 64))], scores, [], [])


def test_the_voters_are_the_best_of_other_features_and_leave_a_judge() -> None:
    options = candidate_options(rating())
    assert next(iter(options.values())) == MasksConfig()
    assert options["votes of configurations"].vote == ("token.1@0.3",)


def test_an_option_is_judged_by_features_of_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.full((3, 64, 64), 0.2)
    image[:, 16:48, 16:48] = 0.9
    full = OBJECT.repeat_interleave(8, 0).repeat_interleave(8, 1)

    def found(_: object, image: Tensor, tau: float, masks: MasksConfig, tokens: int) -> Tensor:
        return full if masks.clean_up else torch.zeros_like(full)

    monkeypatch.setattr(mask_options, "mask_of", found)
    monkeypatch.setattr(mask_options, "images_of", lambda *_: [image])
    scores = score_options(rating(), 100, "cpu", lambda items, *_: iter(items))
    assert "selected heads" not in scores  # the descriptor has none
    assert scores["clean-up"] > 0.9
    assert scores["the cut alone"] == 0
    assert best_option(scores) == "clean-up"
    assert best_option({"the cut alone": 0.5, "clean-up": 0.509}) == "the cut alone"


def test_two_features_leave_no_votes_of_configurations() -> None:
    assert "votes of configurations" not in candidate_options(rating(features=2))


def test_the_majority_of_the_votes_is_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [torch.tensor([[1.0, 1, 0]]), torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 0]])]

    def found(*_: object) -> list[Tensor]:
        return [part[None, None] for part in parts]

    monkeypatch.setattr(mask_options, "initial_masks", found)
    backbone = mask_options.build_cut_backbone(BackboneConfig("descriptor", None), MasksConfig())
    mask = mask_of(backbone, torch.rand(3, 8, 24), 0.2, MasksConfig(), 100)
    assert mask[0, ::8].tolist() == [True, True, False]
