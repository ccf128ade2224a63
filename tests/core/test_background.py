"""Threads beside a loop: order, bounds, errors."""

import threading
from collections.abc import Callable

import pytest
import torch

from sod.core.background import AHEAD, LARGE, Background, default_threads


def gated(value: int, gate: threading.Event) -> Callable[[], int]:
    def work() -> int:
        assert gate.wait(30)
        return value

    return work


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_are_taken_in_order_by_the_calling_thread(threads: int) -> None:
    background, taken, takers = Background(threads), list[int](), set[int]()
    gates = [threading.Event() for _ in range(3)]
    background.submit(lambda: gates[0].wait(30 if threads > 1 else 0) and 0, taken.append)
    for value in range(1, 9):
        if value == 4:
            gates[0].set()

        def take(result: int) -> None:
            taken.append(result)
            takers.add(threading.get_ident())

        background.submit(lambda value=value: value, take)  # type: ignore[misc]
    background.finish()
    background.stop()
    assert [bool(value) and value for value in taken[1:]] == list(range(1, 9))
    assert takers == {threading.get_ident()}


def test_no_more_works_wait_than_allowed() -> None:
    background, taken = Background(2), list[int]()
    opened = threading.Event()
    opened.set()
    for value in range(10):
        background.submit(gated(value, opened), taken.append, 1)
        assert value + 1 - len(taken) <= 2 * AHEAD
    background.submit(gated(10, opened), taken.append, LARGE)
    assert taken == list(range(10)), "the pixels of the works that wait are bounded too"
    background.submit(gated(11, opened), taken.append, LARGE + 1)
    assert taken == list(range(12)), "a work on a large image is done at once"
    background.stop()


def test_an_error_is_raised_in_its_turn_and_stop_drops_the_rest() -> None:
    background, taken, gate = Background(1), list[int](), threading.Event()
    background.submit(gated(0, gate), taken.append)
    background.submit(lambda: 1 // 0, taken.append)
    gate.set()
    with pytest.raises(ZeroDivisionError):
        background.finish()
    assert taken == [0]
    begun, blocked, dropped = threading.Event(), threading.Event(), threading.Event()
    background.submit(lambda: begun.set() or blocked.wait(30), taken.append)
    background.submit(dropped.set, taken.append)
    assert begun.wait(30)
    background.stop()
    blocked.set()
    background.finish()
    assert taken == [0]
    assert not dropped.is_set()


def test_the_mode_and_the_threads_of_the_caller() -> None:
    former = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        background, seen = Background(2), list[tuple[bool, bool, int]]()
        with torch.inference_mode():
            for _ in range(2):
                background.submit(_state, seen.append)
            assert torch.get_num_threads() == 1, "the others are left to the two threads"
            background.finish()
        background.stop()
        assert torch.get_num_threads() == 3
        Background(0).submit(_state, seen.append)
        assert seen == [(True, False, 1)] * 2 + [(False, True, 1)]
    finally:
        torch.set_num_threads(former)


def _state() -> tuple[bool, bool, int]:
    return torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.get_num_threads()


def test_default_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sod.core.background.cpu_share", lambda processes: 32 // processes)
    cpu = torch.device("cpu")
    found = [default_threads(cpu, "32-true", processes) for processes in (1, 4, 16, 32)]
    assert found == [8, 4, 1, 0]
    assert default_threads(torch.device("mps"), "32-true") == 0
    assert default_threads(cpu, "bf16-true") == 0
