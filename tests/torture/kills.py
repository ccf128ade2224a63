"""SIGKILL at random moments: the resumed run equals one that was not disturbed."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from torture.attack import Attack, Undisturbed, undisturbed
from torture.cases import CASES
from torture.child import Ended, Prepare, die_after_cpu_seconds, die_at_file_event, run
from torture.compare import differences, leftovers


def kills(case: str, scenes: Path, place: Path, count: int, seed: int) -> Iterator[Attack]:
    """Kill ``count`` runs of a case, some of them twice, and resume them to the end."""
    whole = undisturbed(case, scenes, place)
    chance = random.Random(f"{case} {seed}")
    for number in range(count):
        moments = [_moment(chance, whole) for _ in range(1 + number % 2)]
        out, log = place / f"{case}-{number}", place / f"{case}-{number}.log"
        words = CASES[case](scenes, out)
        ends = [run(words, log, prepare) for _, prepare in moments]
        faults = list(_judge(whole, out, ends, run(words, log)))
        yield Attack("kill", case, ", then ".join(name for name, _ in moments), faults)
        if not faults:
            shutil.rmtree(out)


def _moment(chance: random.Random, whole: Undisturbed) -> tuple[str, Prepare]:
    """Choose a moment: before a file operation, or anywhere in the computation."""
    if chance.random() < 0.5:
        event = chance.randint(1, whole.events)
        return f"file operation {event} of {whole.events}", die_at_file_event(event)
    seconds = chance.uniform(0.01, whole.seconds)
    return f"{seconds:.2f} of {whole.seconds:.2f} CPU s", die_after_cpu_seconds(seconds)


def _judge(whole: Undisturbed, out: Path, ends: list[Ended], last: Ended) -> Iterator[str]:
    """Yield what is wrong with a run that was killed and resumed."""
    yield from (f"exit code {end.code}: {end.output[-300:]}" for end in ends if end.code > 0)
    if last.code:
        yield f"exit code {last.code} when resumed: {last.output[-500:]}"
        return
    yield from differences(whole.out, out)
    yield from (f"{name} is left" for name in leftovers(out))
