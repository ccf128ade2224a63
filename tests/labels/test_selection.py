import pytest

from sod.core.errors import SodError
from sod.labels.selection import Candidate, Score, SelectionConfig, select, selected_scores
from sod.labels.store import Label


def candidate(name: str, contrast: float, area: float = 0.2, border: float = 0.0) -> Candidate:
    return Candidate(name, contrast, area, border, agreement=0.5, quality=1 - contrast)


def chosen(candidates: list[Candidate], config: SelectionConfig) -> list[str]:
    return [v.candidate.name for v in select(candidates, config) if v.reason is None]


def test_a_teachers_label_alone_has_no_other_figures() -> None:
    label = Label("a", "TokenCut-0", 0.25, 0.5, "0" * 64, "1" * 64)
    assert Candidate.of(label) == Candidate("a", label.score, label.area, 0.0, 1.0, 1.0)


def test_the_best_share_is_chosen_and_the_rest_is_told_why() -> None:
    given = [
        candidate("a", 0.9),
        candidate("b", 0.2),
        candidate("tiny", 1.0, area=0.01),
        candidate("huge", 1.0, area=0.7),
        candidate("edge", 1.0, border=0.9),
        candidate("c", 0.5),
    ]
    verdicts = select(given, SelectionConfig(keep=1 / 3, least=1))
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
    assert [config.of_generation(number).keep for number in (1, 2, 3)] == [0.3, 0.8, 0.8]
    assert config.of_generation(2).low == 0.1
    assert SelectionConfig(keep=0.3, later=None).of_generation(2).keep == 0.3


@pytest.mark.parametrize(
    ("kind", "score"),
    [("contrast", 0.8), ("agreement", 0.5), ("product", 0.4), ("quality", 0.2)],
)
def test_each_score_ranks_by_what_it_says(kind: Score, score: float) -> None:
    config = SelectionConfig(score=kind)
    assert select([candidate("a", 0.8)], config)[0].score == pytest.approx(score)


def test_a_contrast_below_zero_is_worth_nothing() -> None:
    assert candidate("a", -0.5).score("product") == 0.0


@pytest.mark.parametrize(
    "wrong", [{"keep": 0.0}, {"keep": 1.5}, {"later": 2.0}, {"score": "luck"}, {"outside": "first"}]
)
def test_values_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SodError, match=f"selection.{next(iter(wrong))}"):
        SelectionConfig(**wrong)  # type: ignore[arg-type]


def test_candidates_outside_the_bounds_may_rank_last_instead() -> None:
    given = [
        candidate("tiny", 0.99, area=0.01),
        candidate("good", 0.9),
        candidate("huge", 0.95, area=0.7),
        candidate("poor", 0.1),
    ]

    def names(keep: float) -> set[str]:
        config = SelectionConfig(keep, None, least=1, outside="last", score="contrast")
        return set(selected_scores(select(given, config)))

    assert names(1.0) == {"good", "poor", "tiny", "huge"}
    assert names(0.75) == {"good", "poor", "tiny"}
    assert names(0.5) == {"good", "poor"}
    assert names(0.01) == {"good"}


def test_the_default_selection() -> None:
    assert SelectionConfig() == SelectionConfig(
        keep=0.5,
        later=1.0,
        least=8,
        low=0.03,
        high=0.6,
        border=0.6,
        outside="reject",
        score="product",
    )


@pytest.mark.parametrize("bound", ["low", "high", "border"])
def test_a_candidate_on_a_bound_is_inside(bound: str) -> None:
    values = {"area": 0.2, "border": 0.1}
    values["border" if bound == "border" else "area"] = 0.25
    config = SelectionConfig(least=0, **{bound: 0.25})  # type: ignore[arg-type]
    (verdict,) = select([candidate("a", 0.5, **values)], config)
    assert verdict.reason is None
