import pytest
import torch

from sod.core.errors import SodError
from sod.engine.monitors import (
    CollapseGuard,
    GuardConfig,
    agreement,
    foreground_shares,
    selection_score,
)


def test_shares_of_a_painted_corner() -> None:
    saliency = torch.zeros(2, 1, 4, 5)
    saliency[0, 0, :2, :2] = 0.9
    saliency[1] = 1
    shares = foreground_shares(saliency)
    assert shares["foreground"].tolist() == pytest.approx([4 / 20, 1])
    assert shares["corners"].tolist() == [0.25, 1]
    # Three of the fourteen border pixels; the fourth painted one is inside.
    assert shares["border"].tolist() == pytest.approx([3 / 14, 1])


def test_agreement_is_the_iou_and_two_empty_maps_agree() -> None:
    left, right = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    left[0, 0, 0] = 1
    right[0, 0, :, 0] = 1
    assert agreement(left, right).tolist() == pytest.approx([1 / 3, 1])


def test_the_score_does_not_fall_for_painting_all_or_nothing() -> None:
    foreground = torch.tensor([0.2, 1.0, 0.0, 0.2])
    border = torch.tensor([0.1, 1.0, 0.0, 0.5])
    sure = torch.tensor([0.8, 1.0, 1.0, 0.8])
    score = selection_score(foreground, border, sure, torch.tensor([0.5, 1, 1, 0.5]))
    assert score.tolist() == pytest.approx([0.36, 0, 0, 0.2])


def test_the_guard_needs_patience_and_names_the_collapse() -> None:
    guard = CollapseGuard(GuardConfig(patience=3))
    assert [guard.update(0.95, 0.9) for _ in range(2)] == [None, None]
    assert guard.update(0.3, 0.1) is None  # it recovers, and counting starts again
    findings = [guard.update(0.95, 0.9) for _ in range(3)]
    assert findings[:2] == [None, None]
    assert findings[2] == "95% of the images is painted as foreground"
    assert guard.diagnose(0.5, 0.45) is not None
    assert "swapped" in str(guard.diagnose(0.4, 0.8))
    assert "only 0.1%" in str(guard.diagnose(0.001, 0))
    assert guard.diagnose(0.3, 0.1) is None


def test_the_guard_goes_on_counting_after_a_reload() -> None:
    guard, other = CollapseGuard(GuardConfig(patience=2)), CollapseGuard(GuardConfig(patience=2))
    guard.update(1, 1)
    other.load_state_dict(guard.state_dict())
    assert other.update(1, 1) is not None


def test_off_and_unknown_actions() -> None:
    guard = CollapseGuard(GuardConfig("off", patience=1))
    assert guard.update(1, 1) is None
    with pytest.raises(SodError, match=r"guard\.action: 'stop' is none of"):
        GuardConfig("stop")  # type: ignore[arg-type]
