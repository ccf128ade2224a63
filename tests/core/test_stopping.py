import os
import signal
import time

import pytest

from sod.core import stopping
from sod.core.stopping import STOP, Interrupted


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_its_exit_code(signum: signal.Signals, code: int) -> None:
    before = signal.getsignal(signum)
    with pytest.raises(Interrupted) as caught, STOP.listening():
        os.kill(os.getpid(), signum)
    assert caught.value.code == code
    assert str(caught.value) == f"stopped by {signum.name}"
    assert signal.getsignal(signum) == before


def test_a_deferred_signal_is_noted_and_a_later_one_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with STOP.listening():
        STOP.deferred = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert STOP.signum == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)  # the same request: process groups get both
        monkeypatch.setattr(stopping, "PATIENCE", -1.0)
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), signal.SIGINT)
    assert caught.value.signum == signal.SIGTERM
    with STOP.listening():
        assert (STOP.signum, STOP.deferred) == (0, False)


class Freed:
    """Gets a signal while it is freed."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def free_and_compute() -> None:
    """Free an object, and compute until a signal comes, half a minute at most."""
    freed = Freed()
    del freed
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass


def test_a_signal_while_an_object_is_freed_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Interrupted) as caught, STOP.listening():
        free_and_compute()
    assert caught.value.code == 143
    assert capfd.readouterr().err == ""
