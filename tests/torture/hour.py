"""An hour of training with one disturbance after the other, and what became of it.

    python -m torture.hour --minutes 60 --seed 0 --out hour.md        (in the folder tests)

Three trainings are started again and again by the same command line, and disturbed at random
moments: killed, stopped, without disk space, with damaged images. In the end each goes on to its
last step, and is compared with one that was never disturbed. It needs the right to mount.
"""

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from sod.engine.checkpoint import read_checkpoint
from torture.compare import differences, leftovers
from torture.disks import small_disk
from torture.disturbed import Disturbance, Disturbed
from torture.injections import INJECTIONS, Place
from torture.trainings import STEPS, Training, make_images, trainings

SPACE = 64 << 20
"""Bytes of the disk of each training."""


def main() -> int:
    """Disturb the trainings for so many minutes; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=Path, help="a folder of photos; default: built-in scenes")
    parser.add_argument("--weights", type=Path, help="weights of a ViT-Tiny; default: none")
    parser.add_argument("--out", type=Path, help="file for the report")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="torture-") as name, ExitStack() as stack:
        place = Path(name)
        weights = options.weights.resolve() if options.weights else None
        chosen = trainings(place, weights)
        runs = [_prepared(t, n, place, options, stack) for n, t in enumerate(chosen)]
        aside = _aside(runs)
        done, minutes = _disturb(runs, options.minutes, options.seed)
        saved = [run.steps for run in runs]
        for run in runs:
            run.run(max(run.training.ranks), run.place.run)
        os.waitpid(aside, 0)
        ends = [_end(run, steps) for run, steps in zip(runs, saved, strict=True)]
    report = _report(done, minutes, ends, sys.argv[1:])
    sys.stdout.write(report)
    if options.out:
        options.out.write_text(report, encoding="utf-8")
    return int(any(each.faults for each in done) or any(faults for _, _, faults in ends))


def _prepared(
    training: Training, number: int, place: Path, options: argparse.Namespace, stack: ExitStack
) -> Disturbed:
    """Return a training with images, a disk and a folder for logs of its own."""
    scenes = make_images(place / f"images-{number}", options.images)
    disk = stack.enter_context(small_disk(place / f"disk-{number}", SPACE))
    (logs := place / f"logs-{number}").mkdir()
    chance = random.Random(f"{training.name} {options.seed}")
    return Disturbed(training, Place(scenes, disk, disk / "run"), logs, chance)


def _disturb(
    runs: Sequence[Disturbed], minutes: float, seed: int
) -> tuple[list[Disturbance], float]:
    """Disturb the runs in random order until the time is over; return how long that was."""
    chance = random.Random(seed)
    begin, done = time.monotonic(), []
    while (passed := time.monotonic() - begin) < 60 * minutes:
        each = chance.choice(runs).disturb((60 * minutes - passed) / len(runs))
        outcome = "; ".join(each.faults) or f"ended after {each.seconds:.1f} s"
        sys.stdout.write(f"{each.training}: {each.injection}, {each.moment}: {outcome}\n")
        sys.stdout.flush()
        done.append(each)
    return done, (time.monotonic() - begin) / 60


def _aside(runs: Sequence[Disturbed]) -> int:
    """Run each training without disturbances, in a process aside; return its id."""
    aside = os.fork()
    if aside:
        return aside
    try:
        for run in runs:
            run.run_undisturbed()
    except Exception:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _end(run: Disturbed, saved: int) -> tuple[str, str, list[str]]:
    """Compare a run that has gone on to its end; return its name, the result, and what is wrong."""
    faults = [f"{name} is left" for name in leftovers(run.place.run)]
    whole, *others = (run.whole(count) for count in run.training.ranks)
    if not others:
        # The undisturbed run has its images in another folder, which checkpoints name.
        different = [d for d in differences(whole, run.place.run) if ".trained_on: " not in d]
        text = f"{len(different)} differences" if different else "equal in every bit"
        faults += different[:5]
    else:
        text = (
            f"weights within {distance(whole, run.place.run):.1e} of the largest one; two "
            f"processes throughout: within {distance(whole, *others):.1e}"
        )
        faults += list(_other_counts(whole, run.place.run))
    return run.training.name, f"{saved} of {STEPS} steps in that time; then {text}", faults


def distance(one: Path, other: Path) -> float:
    """Return the largest difference of two runs' trained weights, over the largest weight."""
    left, right = (read_checkpoint(run / "last.ckpt")["state_dict"] for run in (one, other))
    names = [name for name, value in left.items() if value.is_floating_point()]
    largest = max(float(left[name].abs().max()) for name in names)
    return max(float((left[name] - right[name]).abs().max()) for name in names) / largest


def _other_counts(one: Path, other: Path) -> Iterator[str]:
    """Yield positions in which two runs differ whose numbers of processes differed."""
    left, right = (read_checkpoint(run / "last.ckpt") for run in (one, other))
    yield from (
        f"{k}: {left[k]} or {right[k]}" for k in ("global_step", "epoch") if left[k] != right[k]
    )


def _report(
    done: Sequence[Disturbance],
    minutes: float,
    ends: Sequence[tuple[str, str, list[str]]],
    arguments: Sequence[str],
) -> str:
    """Return the report as Markdown."""
    names = [name for name, _, _ in ends]
    tried = Counter((each.injection, each.training) for each in done)
    lines = [f"`python -m torture.hour {' '.join(arguments)}`, {time.strftime('%Y-%m-%d')}", ""]
    lines += [f"{len(done)} disturbances in {minutes:.1f} minutes.", ""]
    lines += [f"| disturbance | {' | '.join(names)} | ended as they should | slowest (s) |"]
    lines += ["|---" * (len(names) + 3) + "|"]
    for kind in (injection.name for injection in INJECTIONS):
        of_kind = [each for each in done if each.injection == kind]
        right = sum(not each.faults for each in of_kind)
        slowest = max((each.seconds for each in of_kind), default=0.0)
        counts = " | ".join(str(tried[kind, name]) for name in names)
        lines.append(f"| {kind} | {counts} | {right} of {len(of_kind)} | {slowest:.1f} |")
    lines += ["", *(f"- {name}: {text}" for name, text, _ in ends)]
    lines += [f"- fault, {name}: {fault}" for name, _, faults in ends for fault in faults]
    lines += [
        f"- fault, {e.training}, {e.injection}, {e.moment}: {f}" for e in done for f in e.faults
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
