"""What disturbs a training for an hour, and how it has to end then."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from torture.mutations import damaged
from torture.ranks import Ranks


class Place(NamedTuple):
    """Where a training is disturbed.

    Args:
        scenes: Its images.
        disk: A small disk.
        run: The run, on that disk.
    """

    scenes: Path
    disk: Path
    run: Path


class Injection:
    """A disturbance of one start of a training.

    Attributes:
        name: Its name in the report.
        limit: Seconds in which all processes have to end after it.
        begun: It needs a checkpoint, of this start where there are several processes.
        several: It needs several processes.
    """

    name = "SIGKILL"
    limit = 30.0
    begun = False
    several = False

    @contextmanager
    def around(self, place: Place, chance: random.Random) -> Iterator[None]:
        """Disturb what is there before the start, and mend it afterwards."""
        yield

    def strike(self, ranks: Ranks, place: Place, chance: random.Random) -> None:
        """Disturb the processes."""
        ranks.send(signal.SIGKILL, range(len(ranks.pids)))

    def faults(self, ranks: Ranks) -> Iterator[str]:
        """Yield what is wrong with how the processes have ended."""
        yield from (f"exit code {c}" for c in ranks.codes.values() if c != -signal.SIGKILL)


class KillOne(Injection):
    """One of several processes is killed: the others end, and name it."""

    name, limit, begun, several = "SIGKILL of one of two", 60.0, True, True

    def strike(self, ranks: Ranks, place: Place, chance: random.Random) -> None:
        """Kill a process that is drawn."""
        self.rank = chance.randrange(len(ranks.pids))
        ranks.send(signal.SIGKILL, [self.rank])

    def faults(self, ranks: Ranks) -> Iterator[str]:
        """Expect one line of the others that names the process."""
        for rank in set(range(len(ranks.pids))) - {self.rank}:
            yield from ended(ranks, rank, {1, 2}, f"process {self.rank} ")


class Stop(Injection):
    """A signal that asks for the end, to all processes or to one."""

    limit = 60.0

    def __init__(self, signum: signal.Signals) -> None:
        self.signum, self.name = signum, signum.name

    def strike(self, ranks: Ranks, place: Place, chance: random.Random) -> None:
        """Send it; to one process only where all have joined, as launchers do it before."""
        joined = "resuming" in ranks.output(0)
        everyone = range(len(ranks.pids))
        alone = joined and chance.random() < 0.3
        ranks.send(self.signum, [chance.choice(everyone)] if alone else everyone)

    def faults(self, ranks: Ranks) -> Iterator[str]:
        """Expect the signal's exit code and one line from each process."""
        for rank in range(len(ranks.pids)):
            yield from ended(ranks, rank, {128 + self.signum}, f"stopped by {self.signum.name}")


class FullDisk(Injection):
    """The disk is filled up, but for less than a checkpoint."""

    name, limit, begun = "full disk", 120.0, True

    @contextmanager
    def around(self, place: Place, chance: random.Random) -> Iterator[None]:
        """Free the space again."""
        yield
        (place.disk / "filler").unlink(missing_ok=True)

    def strike(self, ranks: Ranks, place: Place, chance: random.Random) -> None:
        """Fill the disk."""
        state = os.statvfs(place.disk)
        rest = chance.randrange((place.run / "last.ckpt").stat().st_size)
        with (place.disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(state.f_bavail * state.f_frsize - rest, 1))

    def faults(self, ranks: Ranks) -> Iterator[str]:
        """Expect one line from each process."""
        for rank in range(len(ranks.pids)):
            yield from ended(ranks, rank, {2}, "error: ")


class DamagedImage(Injection):
    """One of the images is damaged before the start (``--strict``)."""

    name, limit, begun = "damaged image", 300.0, True

    @contextmanager
    def around(self, place: Place, chance: random.Random) -> Iterator[None]:
        """Cut an image off or write noise into it, and put it back afterwards."""
        self.image = chance.choice(sorted((place.scenes / "images").iterdir()))
        whole = self.image.read_bytes()
        self.image.write_bytes(chance.choice([b"", whole[: len(whole) // 3], b"no image"]))
        try:
            yield
        finally:
            self.image.write_bytes(whole)

    def strike(self, ranks: Ranks, place: Place, chance: random.Random) -> None:
        """Do nothing: the run ends when it reads the image."""

    def faults(self, ranks: Ranks) -> Iterator[str]:
        """Expect one line from each process that names the image."""
        for rank in range(len(ranks.pids)):
            yield from ended(ranks, rank, {2}, f"{self.image.name}: ")


class AddedFiles(Injection):
    """Damaged files appear among the images before the start; the run is killed as well."""

    name, begun = "damaged files added", True

    @contextmanager
    def around(self, place: Place, chance: random.Random) -> Iterator[None]:
        """Add them, and take them away afterwards."""
        folder = place.scenes / "images"
        whole = chance.choice(sorted(folder.iterdir())).read_bytes()
        files = [folder / f"{chance.choice('0mz')}{number}-added.jpg" for number in range(3)]
        for file in files:
            file.write_bytes(damaged(whole, chance))
        try:
            yield
        finally:
            for file in files:
                file.unlink()

    def faults(self, ranks: Ranks) -> Iterator[str]:
        """Expect the end by the kill alone."""
        yield from super().faults(ranks)
        output = ranks.output(0)
        if "resuming" in output and "came after the run began" not in output:
            yield f"the added files are not named: {output[-300:]}"


INJECTIONS = (
    *(Injection(), KillOne(), Stop(signal.SIGTERM), Stop(signal.SIGINT), FullDisk()),
    *(DamagedImage(), AddedFiles()),
)


def ended(ranks: Ranks, rank: int, codes: set[int], line: str) -> Iterator[str]:
    """Yield what is wrong with the exit code and the message of a process."""
    output = ranks.output(rank)
    if ranks.codes.get(rank) not in codes:
        yield f"process {rank}: exit code {ranks.codes.get(rank)}: {output[-600:]}"
    elif output.count("error: ") > 1 or "Traceback" in output:
        yield f"process {rank}: more than one line: {output[-600:]}"
    elif line not in output:
        yield f"process {rank}: '{line}' is not said: {output[-300:]}"
