import pytest
import torch

from sod.core.errors import SodError
from sod.labels.consensus import agreements, combine, soft_iou
from sod.labels.selection import Candidate, Score, SelectionConfig, choose


def candidate(name: str, contrast: float, area: float = 0.2, border: float = 0.0) -> Candidate:
    return Candidate(name, contrast, area, border, agreement=0.5, evalseg=1 - contrast)


def chosen(candidates: list[Candidate], config: SelectionConfig) -> list[str]:
    return [v.candidate.name for v in choose(candidates, config) if v.reason is None]


def test_the_best_share_is_chosen_and_the_rest_is_told_why() -> None:
    given = [
        candidate("a", 0.9),
        candidate("b", 0.2),
        candidate("tiny", 1.0, area=0.01),
        candidate("huge", 1.0, area=0.7),
        candidate("edge", 1.0, border=0.9),
        candidate("c", 0.5),
    ]
    verdicts = choose(given, SelectionConfig(keep=1 / 3, least=1))
    assert [v.candidate for v in verdicts] == given
    assert {v.candidate.name: v.reason for v in verdicts} == {
        "a": None,
        "b": "product 0.100 is not among the best 2",
        "tiny": "area 0.010 is below 0.03",
        "huge": "area 0.700 is above 0.6",
        "edge": "border 0.900 is above 0.6",
        "c": None,
    }


def test_at_least_so_many_are_kept_from_outside_the_bounds_too() -> None:
    given = [candidate("a", 0.1), candidate("tiny", 0.9, area=0.01), candidate("t", 0.8, area=0.0)]
    assert chosen(given, SelectionConfig(keep=0.1, least=2)) == ["a", "tiny"]
    assert chosen(given, SelectionConfig(keep=1.0, least=1)) == ["a"]


def test_later_generations_keep_a_share_of_their_own() -> None:
    config = SelectionConfig(keep=0.3, later=0.8, low=0.1)
    assert [config.at(number).keep for number in (1, 2, 3)] == [0.3, 0.8, 0.8]
    assert config.at(2).low == 0.1
    assert SelectionConfig(keep=0.3, later=None).at(2).keep == 0.3


@pytest.mark.parametrize(
    ("kind", "score"),
    [("contrast", 0.8), ("agreement", 0.5), ("product", 0.4), ("evalseg", 0.2)],
)
def test_each_score_ranks_by_what_it_says(kind: Score, score: float) -> None:
    config = SelectionConfig(score=kind)
    assert choose([candidate("a", 0.8)], config)[0].score == pytest.approx(score)


def test_a_contrast_below_zero_is_worth_nothing() -> None:
    assert candidate("a", -0.5).score("product") == 0.0


@pytest.mark.parametrize("wrong", [{"keep": 0.0}, {"keep": 1.5}, {"later": 2.0}, {"score": "luck"}])
def test_values_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SodError, match=f"selection.{next(iter(wrong))}"):
        SelectionConfig(**wrong)  # type: ignore[arg-type]


def test_soft_iou_by_hand() -> None:
    left, right = torch.tensor([[0.5, 1.0]]), torch.tensor([[1.0, 0.25]])
    assert float(soft_iou(left, right)) == pytest.approx((0.5 + 0.25) / 2.0)
    assert float(soft_iou(left * 0, right * 0)) == 1.0


def test_agreement_is_the_mean_over_the_others() -> None:
    maps = torch.zeros(3, 2, 2)
    maps[0, 0], maps[1, 0], maps[2] = 1, 1, 1
    expected = torch.tensor([(1 + 0.5) / 2, (1 + 0.5) / 2, 0.5])
    torch.testing.assert_close(agreements(maps), expected)
    assert agreements(maps[:1]).tolist() == [1.0]


def test_maps_are_joined_as_asked() -> None:
    maps = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1).expand(2, 2, 1, 3, 4)
    scores = torch.tensor([[0.5, 0.9], [1.0, 0.3]])
    assert combine(maps, scores, "mean")[:, 0, 0, 0].tolist() == [0.5, 0.5]
    assert combine(maps, scores, "best")[:, 0, 0, 0].tolist() == [1.0, 0.0]
    weighted = combine(maps, scores, "weighted", power=2.0)[:, 0, 0, 0]
    torch.testing.assert_close(weighted, torch.tensor([1 / 1.25, 0.09 / 0.9]))
