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
