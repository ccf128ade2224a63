"""Both estimates on images whose objects the features show, with some wrong pseudo-masks."""

import pytest
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.labels.estimates import learned
from sod.labels.estimates.estimate import estimated, scores_of, surest
from sod.labels.estimates.grids import Grids
from sod.labels.estimates.held_out import held_out_scores
from sod.labels.estimates.learned import learned_scores, make_errors
from sod.labels.selection import Candidate, SelectionConfig, select
from sod.labels.store import LabelStore
from sod.nn.backbones.descriptor import Descriptor
from sod.refinement.masks import mask_iou

COUNT, CPU = 24, torch.device("cpu")
WRONG = (5, 8, 14, 19)
"""Images whose pseudo-mask is another's."""


@pytest.fixture(scope="module")
def truth() -> Tensor:
    """The objects: squares of 32 of 80 pixels, of eight patches, bool."""
    masks = torch.zeros(COUNT, 80, 80, dtype=torch.bool)
    for number in range(COUNT):
        top, left = 4 * (number * 5 % 12), 4 * (number * 7 % 12)
        masks[number, top : top + 32, left : left + 32] = True
    return masks


@pytest.fixture(scope="module")
def grids(truth: Tensor) -> Grids:
    """Features: 1 on the object and noise, in two channels; masks as they are, or another's."""
    generator = torch.Generator().manual_seed(0)
    features = 0.1 * torch.randn(COUNT, 2, 20, 20, generator=generator)
    features[:, 0] += torch.nn.functional.avg_pool2d(truth.float(), 4)
    labels = truth.clone()
    for number in WRONG:
        labels[number] = truth[(number + 6) % COUNT]
    return Grids(features.half(), 255 * labels.byte())


def candidates() -> list[Candidate]:
    """Wrong ones have a low contrast."""
    return [Candidate(f"{n:02}", 0.1 if n in WRONG else 0.9, 0.16) for n in range(COUNT)]


def test_students_of_the_other_half_know_wrong_masks(grids: Grids, truth: Tensor) -> None:
    scores = held_out_scores(grids)
    right = [number for number in range(COUNT) if number not in WRONG]
    expected = mask_iou(truth, grids.masks > 127)[list(WRONG)]
    torch.testing.assert_close(scores[list(WRONG)], expected, atol=0.1, rtol=0)
    assert scores[right].min() > 0.8


def test_no_student_has_seen_the_mask_that_it_judges(grids: Grids) -> None:
    """Other masks of odd images leave the scores of odd images to the same student."""
    changed = grids.masks.clone()
    changed[1::2] = changed[1::2].flip(-1)
    before, after = held_out_scores(grids), held_out_scores(Grids(grids.features, changed))
    assert not torch.equal(before[::2], after[::2])
    empty = grids.masks.clone()
    empty[1] = 0
    alone = held_out_scores(Grids(grids.features, empty))
    assert alone[1] == 0
    assert torch.equal(alone[3::2], before[3::2])


@pytest.mark.usefixtures("one_thread")
def test_a_network_learns_to_know_wrong_masks(
    grids: Grids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "STEPS", 30)
    monkeypatch.setattr(learned, "BATCH", 8)
    monkeypatch.setattr(learned, "LR", 0.01)
    config = SelectionConfig(score="learned")
    state = torch.get_rng_state()
    scores = scores_of(grids, candidates(), config, 0, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    right = [number for number in range(COUNT) if number not in WRONG]
    assert scores[list(WRONG)].max() < scores[right].min()
    monkeypatch.setattr(learned, "STEPS", 2)
    once, again, other = (scores_of(grids, candidates(), config, seed, CPU) for seed in (0, 0, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_each_half_is_rated_by_the_network_of_the_other(
    grids: Grids, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[list[int]] = []

    def train(features: Tensor, masks: Tensor, sure: list[int], seed: int, device: object) -> int:
        taught.append(sure)
        return seed

    def rate(rater: int, features: Tensor, masks: Tensor, rows: Tensor, device: object) -> Tensor:
        assert all(number % 2 != rater % 2 for number in rows.tolist())
        return torch.full((len(rows),), float(rater))

    monkeypatch.setattr(learned, "train_rater", train)
    monkeypatch.setattr(learned, "rate", rate)
    scores = learned_scores(grids, [0, 1, 4, 6, 7], 10, CPU)
    assert taught == [[0, 4, 6], [1, 7]]
    assert scores.tolist() == [11.0, 10.0] * (COUNT // 2)
    learned_scores(grids, [0, 4], 10, CPU)
    assert taught[2:] == [[0, 4], [0, 4]]  # no odd one is sure: both learn from all


def test_made_errors_are_of_the_chosen_and_sure_masks(truth: Tensor) -> None:
    chosen = torch.arange(12).repeat(8)
    changed = make_errors(truth, chosen, torch.tensor([20, 21]), torch.Generator().manual_seed(0))
    overlap = mask_iou(changed, truth[chosen])
    assert (overlap == 1).float().mean() == pytest.approx(1 / 7, abs=0.1)
    swapped = [any(torch.equal(each, truth[other]) for other in (20, 21)) for each in changed]
    assert sum(swapped) / len(swapped) == pytest.approx(1 / 7, abs=0.1)


def test_the_surest_are_the_best_share_within_the_bounds() -> None:
    given = candidates()
    given[3] = given[3]._replace(contrast=1.0, area=0.9)
    given[4] = given[4]._replace(contrast=1.0, agreement=0.2)
    sure = surest(given, SelectionConfig(least=0, outside="last", score="learned"))
    assert sure == [0, 1, 2, 6, 7, 9, 10, 11]  # 0.3 of 24, rounded up
    outside = [each._replace(area=0.9) for each in given]
    assert len(surest(outside, SelectionConfig(least=0))) == 1


def test_selection_ranks_by_the_estimate_and_needs_it() -> None:
    config = SelectionConfig(keep=0.5, least=1, score="held_out")
    given = [Candidate("a", 0.9, 0.2, estimate=0.1), Candidate("b", 0.1, 0.2, estimate=0.8)]
    verdicts = select(given, config)
    assert [v.reason for v in verdicts] == ["held_out 0.100 is not among the best 1", None]
    with pytest.raises(SodError, match=r"selection\.score: held_out .* use contrast"):
        select([Candidate("a", 0.9, 0.2)], config)


def test_one_image_has_no_halves(tmp_path: object) -> None:
    store = LabelStore(f"{tmp_path}")
    with pytest.raises(SodError, match="at least two images"):
        estimated([], SelectionConfig(score="held_out"), [], store, Descriptor(), 0)
