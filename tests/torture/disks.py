"""A full disk at random moments: one line, exit code 2, nothing lost, and the run goes on later."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torture.attack import Attack, Undisturbed, undisturbed
from torture.cases import CASES
from torture.child import Ended, run
from torture.compare import differences, leftovers


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a disk of so many bytes in memory; it needs the right to mount.

    Raises:
        PermissionError: It is not allowed.
    """
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        raise PermissionError("disks in memory cannot be mounted here: run as root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def resize(place: Path, size: int) -> None:
    """Give a disk of :func:`small_disk` another size."""
    words = ["mount", "-o", f"remount,size={size}", str(place)]
    subprocess.run(words, capture_output=True, check=True)


def disks(case: str, scenes: Path, place: Path, count: int, seed: int) -> Iterator[Attack]:
    """Run a case on ``count`` disks that are too small, and go on when there is space."""
    whole = undisturbed(case, scenes, place)
    size = sum(path.stat().st_size for path in whole.out.rglob("*") if path.is_file())
    chance = random.Random(f"disk {case} {seed}")
    for number in range(count):
        space = chance.randint(4096, size)
        with small_disk(place / f"{case}-disk-{number}", space) as disk:
            words, log = CASES[case](scenes, disk / "run"), place / f"{case}-disk-{number}.log"
            first = run(words, log)
            resize(disk, 1 << 28)
            faults = list(_judge(whole, disk / "run", first, run(words, log)))
            if faults:
                shutil.copytree(disk / "run", place / f"{case}-disk-{number}-run")
        yield Attack("full disk", case, f"{space} of {size} bytes", faults)


def _judge(whole: Undisturbed, out: Path, first: Ended, last: Ended) -> Iterator[str]:
    """Yield what is wrong with a run that found a full disk, and went on."""
    lines = [line for line in first.output.splitlines() if line.startswith("error: ")]
    if first.code not in {0, 2} or (first.code == 2 and len(lines) != 1):
        yield f"exit code {first.code}: {first.output[-900:]}"
    if "Traceback" in first.output:
        yield f"a traceback: {first.output[-900:]}"
    if last.code:
        yield f"exit code {last.code} when resumed: {last.output[-900:]}"
        return
    yield from differences(whole.out, out)
    yield from (f"{name} is left" for name in leftovers(out))
