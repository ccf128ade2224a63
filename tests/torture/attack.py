"""What an attack is, and the undisturbed run that its outcome is compared with."""

from pathlib import Path
from typing import NamedTuple

from torture.cases import CASES
from torture.child import count_events, run


class Attack(NamedTuple):
    """One attack and what is wrong after it.

    Args:
        kind: What was done.
        case: The training.
        moment: When, in words.
        faults: What is wrong; nothing: it survived.
    """

    kind: str
    case: str
    moment: str
    faults: list[str]


class Undisturbed(NamedTuple):
    """A run that nothing happened to.

    Args:
        out: Its folder.
        events: Its file operations.
        seconds: Its CPU seconds.
    """

    out: Path
    events: int
    seconds: float


def undisturbed(case: str, scenes: Path, place: Path) -> Undisturbed:
    """Run a case to its end, once in a place; it must succeed."""
    if (place / f"{case}-counts").is_file():
        return _counted(case, place)
    out, log = place / f"{case}-whole", place / f"{case}-whole.log"
    ended = run(CASES[case](scenes, out), log, count_events(place / f"{case}-counts"))
    assert ended.code == 0, ended.output
    return _counted(case, place)


def _counted(case: str, place: Path) -> Undisturbed:
    events, seconds = (place / f"{case}-counts").read_text().split()
    return Undisturbed(place / f"{case}-whole", int(events), float(seconds))
