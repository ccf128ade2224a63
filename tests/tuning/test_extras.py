import torch

from sod.nn.backbones.taps import Tap, every_tap
from sod.tuning.extras import Example, best_extras, candidate_extras, held_out_scores


def test_sets_of_a_transformer() -> None:
    taps = every_tap(12, ["key", "query", "value", "token"])
    sets = candidate_extras("vit_small_patch16_224", Tap("value", 6), taps)
    assert sets["none"] == []
    assert sets["the other facets of its block"] == ["key.6", "query.6", "token.6"]
    assert sets["spaced blocks"] == ["token.4", "token.6", "token.8", "token.10"]
    assert sets["both"] == ["key.6", "query.6", "token.6", "token.4", "token.8", "token.10"]
    assert sets["the second half of the blocks"] == [f"token.{n}" for n in range(7, 12)]


def test_sets_are_distinct_and_without_the_feature_itself() -> None:
    taps = every_tap(2, ["token"])
    sets = candidate_extras("resnet18", Tap("token", 1), taps)
    assert sets == {"none": [], "spaced blocks": ["token.0"]}
    assert candidate_extras("descriptor", Tap("token", 0), taps) == {
        "none": [],
        "contrast": ["contrast"],
    }


def examples() -> list[Example]:
    """Images of which ``good`` tells the object and ``bad`` something else."""
    generator = torch.Generator().manual_seed(0)
    result = []
    for _ in range(6):
        target = torch.rand(8, 8, generator=generator) > 0.6
        noise = torch.randn(64, 2, generator=generator)
        good = target.flatten().float()[:, None] * 4 + noise
        vote = target.repeat_interleave(4, 0).repeat_interleave(4, 1)
        result.append(Example({"good": good.half(), "bad": noise[:, :1].half()}, target, vote))
    return result


def test_heads_are_measured_on_images_they_have_not_seen() -> None:
    scores = [float(held_out_scores(examples(), names).mean()) for names in (["bad"], ["good"])]
    assert scores[0] < 0.5
    assert scores[1] > 0.9
    wrong = [each._replace(vote=~each.vote) for each in examples()]
    assert float(held_out_scores(wrong, ["good"]).mean()) < 0.1


def test_features_are_added_for_a_clear_gain_only() -> None:
    assert best_extras({"none": 0.5, "some": 0.504, "all": 0.503}) == "none"
    assert best_extras({"none": 0.5, "some": 0.508, "all": 0.52}) == "all"
