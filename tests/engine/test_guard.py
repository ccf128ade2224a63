"""The guard against collapsed training."""

import pytest

from sod.core.errors import SodError
from sod.engine.guard import CollapseGuard, GuardConfig


def test_the_guard_needs_patience_and_names_the_collapse() -> None:
    guard = CollapseGuard(GuardConfig(patience=3))
    assert [guard.update(0.95, 0.9) for _ in range(2)] == [None, None]
    assert guard.update(0.3, 0.1) is None  # it recovers, and counting starts again
    findings = [guard.update(0.95, 0.9) for _ in range(3)]
    assert findings[:2] == [None, None]
    assert findings[2] == "95% of the images is painted as foreground"


@pytest.mark.parametrize(
    ("foreground", "border", "finding"),
    [
        (0.701, 0.0, "70% of the images is painted as foreground"),
        (0.7, 0.4, None),  # the bounds themselves are sound
        (0.01, 0.0, None),
        (0.009, 0.0, "only 0.9% of the images is painted as foreground"),
        (0.3, 0.41, "41% of the border is painted: object and background are swapped"),
        (0.3, 0.1, None),
    ],
)
def test_a_collapse_is_told_from_a_sound_prediction_by_the_bounds(
    foreground: float, border: float, finding: str | None
) -> None:
    assert CollapseGuard(GuardConfig()).diagnose(foreground, border) == finding


def test_the_guard_goes_on_counting_after_a_reload() -> None:
    guard, other = CollapseGuard(GuardConfig(patience=2)), CollapseGuard(GuardConfig(patience=2))
    guard.update(1, 1)
    other.load_state_dict(guard.state_dict())
    assert other.update(1, 1) == "100% of the images is painted as foreground"
    assert guard.bad_steps == 1
    assert other.bad_steps == 0


def test_off_and_unknown_actions() -> None:
    guard = CollapseGuard(GuardConfig("off", patience=1))
    assert guard.update(1, 1) is None
    with pytest.raises(SodError, match=r"guard\.action: 'stop' is none of"):
        GuardConfig("stop")  # type: ignore[arg-type]
