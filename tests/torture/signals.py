"""Signals at random moments: the right exit code soon, one line, and the run goes on as before."""

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from torture.attack import Attack, Undisturbed, undisturbed
from torture.cases import CASES
from torture.child import Ended, Prepare, run
from torture.compare import differences, leftovers

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def signal_after_cpu_seconds(signum: signal.Signals, seconds: float) -> Prepare:
    """Send the child a signal after so many seconds of computing."""

    def send(_: int, frame: FrameType | None) -> None:
        os.kill(os.getpid(), signum)

    def prepare() -> None:
        signal.signal(signal.SIGPROF, send)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    return prepare


def signals(case: str, scenes: Path, place: Path, count: int, seed: int) -> Iterator[Attack]:
    """Stop ``count`` runs of a case, and go on to the end."""
    whole = undisturbed(case, scenes, place)
    chance = random.Random(f"signal {case} {seed}")
    for number in range(count):
        signum, seconds = SIGNALS[number % 3], chance.uniform(0.01, whole.seconds)
        out, log = place / f"{case}-signal-{number}", place / f"{case}-signal-{number}.log"
        words = CASES[case](scenes, out)
        first = run(words, log, signal_after_cpu_seconds(signum, seconds))
        faults = list(_judge(whole, out, signum, first, run(words, log)))
        yield Attack("signal", case, f"{signum.name} after {seconds:.2f} CPU s", faults)
        if not faults:
            shutil.rmtree(out)


def _judge(
    whole: Undisturbed, out: Path, signum: signal.Signals, first: Ended, last: Ended
) -> Iterator[str]:
    """Yield what is wrong with a run that was stopped, and went on."""
    text = first.output[-900:]
    if first.code not in {0, 128 + signum} or "Traceback" in first.output:
        yield f"exit code {first.code}: {text}"
    if first.code and f"stopped by {signum.name}" not in text:
        yield f"nothing is said: {text}"
    if last.code:
        yield f"exit code {last.code} when resumed: {last.output[-900:]}"
        return
    yield from differences(whole.out, out)
    yield from (f"{name} is left" for name in leftovers(out))
