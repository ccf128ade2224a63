"""A training that is disturbed again and again, and how far it has come."""

import random
import shutil
import time
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from sod.engine.checkpoint import read_checkpoint
from torture.injections import INJECTIONS, Injection, Place
from torture.ranks import Ranks
from torture.trainings import SAVE_EVERY, STEPS, Training


class Disturbance(NamedTuple):
    """One start that was disturbed.

    Args:
        training: Name of the training.
        injection: Name of the injection.
        moment: When, in words.
        seconds: From the injection to the end of all processes.
        faults: What is wrong; nothing: it ended as it should.
    """

    training: str
    injection: str
    moment: str
    seconds: float
    faults: list[str]


class Saves:
    """Counts how often a checkpoint is written.

    Args:
        path: The checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._last = self._state()

    def look(self) -> int:
        """Return how often it has been seen to change."""
        state = self._state()
        self.count += state != self._last
        self._last = state
        return self.count

    def _state(self) -> tuple[int, int]:
        if not self.path.is_file():
            return 0, 0
        state = self.path.stat()
        return state.st_ino, state.st_mtime_ns


class Disturbed:
    """A training whose starts are disturbed until a time is over.

    Args:
        training: The training.
        place: Its images and its disk.
        logs: Folder for what its processes print.
        chance: Draws injections and moments.
    """

    def __init__(self, training: Training, place: Place, logs: Path, chance: random.Random) -> None:
        self.training, self.place, self.logs, self.chance = training, place, logs, chance
        self.words = training.command(place.scenes, place.run)
        shutil.copytree(place.scenes, logs / "scenes")  # for the undisturbed runs
        self.durations: list[float] = []

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self.place.run / "last.ckpt"

    @property
    def steps(self) -> int:
        """The steps that are saved."""
        return int(read_checkpoint(self.last)["global_step"]) if self.last.is_file() else 0

    def disturb(self, seconds_left: float) -> Disturbance:
        """Start it once and disturb it, so that it is not done before the time is over.

        Args:
            seconds_left: Time that is left for this training.
        """
        begin = time.monotonic()
        count = self.chance.choice(self.training.ranks)
        saves_left = (STEPS - self.steps) // SAVE_EVERY
        injection = self._injection(count, saves_left)
        saves = self._saves(saves_left, seconds_left)
        with injection.around(self.place, self.chance):
            disturbance = self._start(injection, count, saves)
        self.durations.append(time.monotonic() - begin)
        return disturbance

    def whole(self, count: int) -> Path:
        """Return the folder of a run that was never disturbed, in so many processes."""
        return self.logs / f"whole-{count}"

    def run_undisturbed(self) -> None:
        """Run the training in each number of processes, on images of its own."""
        for count in self.training.ranks:
            self.run(count, self.whole(count), self.logs / "scenes")

    def run(self, count: int, out: Path, scenes: Path | None = None) -> None:
        """Run the training to its end, or go on to it.

        Raises:
            RuntimeError: It failed.
        """
        (logs := self.logs / f"{out.name}-logs").mkdir(exist_ok=True)
        ranks = Ranks(self.training.command(scenes or self.place.scenes, out), count, logs)
        ranks.wait(3600.0)
        if set(ranks.codes.values()) != {0}:
            raise RuntimeError(f"{ranks.codes}: {ranks.output(0)}")

    def _injection(self, count: int, saves_left: int) -> Injection:
        """Draw one that is possible now."""
        possible = [
            injection
            for injection in INJECTIONS
            if (count > 1 or not injection.several)
            and not (injection.begun and (saves_left < 8 or not self.last.is_file()))
        ]
        return self.chance.choice(possible)

    def _saves(self, saves_left: int, seconds_left: float) -> int:
        """Draw how many checkpoints are written before the injection; 0: while it starts."""
        starts_left = max(seconds_left / mean(self.durations or [20.0]), 1.0)
        drawn = int(self.chance.expovariate(starts_left / max(saves_left, 1)))
        return max(min(drawn, saves_left - 6), 0)

    def _start(self, injection: Injection, count: int, saves: int) -> Disturbance:
        counter = Saves(self.last)
        ranks = Ranks(self.words, count, self.logs)
        if saves or injection.begun:
            saves = max(saves, 1)
            delay = self.chance.uniform(0.0, 0.5)
            ranks.wait(200.0, lambda: counter.look() >= saves)
            moment = f"{delay:.2f} s after {saves} checkpoints"
        else:
            delay = self.chance.uniform(0.0, 8.0)
            moment = f"{delay:.2f} s after the start"
        ranks.wait(delay)
        injection.strike(ranks, self.place, self.chance)
        begin = time.monotonic()
        in_time = ranks.wait(injection.limit)
        seconds = time.monotonic() - begin
        faults = [] if in_time else [f"not ended {injection.limit:.0f} s after it"]
        faults += [*ranks.left(), *injection.faults(ranks)]
        moment = f"{count} processes, {moment}"
        return Disturbance(self.training.name, injection.name, moment, seconds, faults)
