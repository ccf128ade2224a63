"""Images per second of `sod evaluate` and `sod predict` on this machine's CPUs, whole commands.

    python benchmarks/throughput.py [--before DIR] [--shared ../shared] [--images 150] [--passes 2]

TokenCut on the stand-in weights and the first images of ECSSD. Commands run in turns, each in a
process of its own, also in that of a checkout of an older commit (``git worktree add DIR COMMIT``).
The time of the same command on one image, its start and its end, is subtracted. Writes
results/throughput.{md,json}.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import RESULTS, ROOT, conditions, split, write_results
from paired import quartiles

METHOD = ["--config=configs/tokencut.yaml", "--config=benchmarks/standin.yaml"]
METHOD += ["--trainer.precision=32-true"]
EVALUATE, PREDICT = "evaluate", "predict"
OUTPUT = "--output=map,mask,overlay"
ONE = "evaluate, one thread"
PLAIN = ["--threads=0", "--data.num_workers=0"]
TARGET = 1.7


class Case(NamedTuple):
    """A command: the checkout it runs in, its words, and how often at once, a share each."""

    checkout: Path
    command: str
    words: Sequence[str] = ()
    processes: int = 1
    one_core: bool = False


class Cost(NamedTuple):
    """Seconds of wall time and of processor time, and the peak memory of a process in MiB."""

    wall: float
    cpu: float
    peak: float


class Speed(NamedTuple):
    """Seconds per image of a case, and MiB above one image, without its start, by pass."""

    wall: list[float]
    cpu: list[float]
    peaks: list[float]


def cases(before: Path | None) -> dict[str, Case]:
    """Return what is measured, by name."""
    found = {}
    for command in (EVALUATE, PREDICT):
        if before is not None:
            found[f"{command}, before"] = Case(before, command)
        found[command] = Case(ROOT, command)
    found[ONE] = Case(ROOT, EVALUATE, PLAIN, one_core=True)
    found["evaluate, `--shard` 1/2 beside 2/2"] = Case(ROOT, EVALUATE, PLAIN, 2, one_core=True)
    two = [*PLAIN, "--trainer.devices=2"]
    found["evaluate, `--trainer.devices 2`"] = Case(ROOT, EVALUATE, two, one_core=True)
    return found


def run(case: Case, data: Path, weights: Path, folder: Path) -> Cost:
    """Run the processes of a case on a dataset and return what they took together.

    Raises:
        subprocess.CalledProcessError: One failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": str(case.checkout)}
    environment.pop("OMP_NUM_THREADS", None)
    if case.one_core:
        environment["OMP_NUM_THREADS"] = "1"
    used, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    processes = [
        subprocess.Popen(
            [*words(case, number, data, weights), f"--out={folder}"],
            cwd=case.checkout,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for number in range(case.processes)
    ]
    peak = max(_peak(process) for process in processes)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - used.ru_utime + after.ru_stime - used.ru_stime
    return Cost(wall, cpu, peak)


def _peak(process: "subprocess.Popen[bytes]") -> float:
    """Wait for a process and return its peak memory."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return used.ru_maxrss / 1024


def words(case: Case, number: int, data: Path, weights: Path) -> list[str]:
    """Return the command line of one process of a case."""
    line = [sys.executable, "-m", "sod", case.command, *METHOD, *case.words]
    line.append(f"--model.backbone.weights={weights}")
    if case.command == EVALUATE:
        line += [f"--data.test={data}", "--refine=none,bilateral"]
    else:
        line += [f"--source={data / 'images'}", OUTPUT, "--refine=bilateral"]
    return [*line, f"--shard={number + 1}/{case.processes}"] if case.processes > 1 else line


def first(whole: Path, out: Path, count: int) -> Path:
    """Return a dataset of the first images of another one, as links."""
    for kind in ("images", "masks"):
        (out / kind).mkdir(parents=True)
        for file in sorted((whole / kind).iterdir())[:count]:
            (out / kind / file.name).symlink_to(file.resolve())
    return out


def photos(shared: Path, folder: Path, count: int) -> Path:
    """Return a folder of links to the first images of ECSSD, and to their masks."""
    parts = split(shared, folder / "split", measured=1)
    for part in parts:
        shutil.copytree(part, folder / "all", symlinks=True, dirs_exist_ok=True)
    return first(folder / "all", folder / "many", count)


def measure(found: Mapping[str, Case], shared: Path, images: int, passes: int) -> dict[str, Speed]:
    """Measure all cases in turns."""
    weights = shared / "weights" / "vit_tiny_patch16_224.safetensors"
    speeds = {name: Speed([], [], []) for name in found}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        many = photos(shared, folder, images)
        few = {count: first(many, folder / f"first {count}", count) for count in (1, 2)}
        starts = {}
        for name, case in found.items():
            starts[name] = run(case, few[case.processes], weights, folder / "out")
        for name, case in passes * list(found.items()):
            cost, start = run(case, many, weights, folder / "out"), starts[name]
            rest = images - case.processes
            speeds[name].wall.append((cost.wall - start.wall) / rest)
            speeds[name].cpu.append((cost.cpu - start.cpu) / rest)
            speeds[name].peaks.append(max(cost.peak - start.peak, 0.0))
    return speeds


def rows_of(speeds: Mapping[str, Speed]) -> list[dict[str, Any]]:
    """Return per case the quartiles of images per second and what they are of another case's."""
    return [
        {
            "case": name,
            "images_per_second": quartiles(1 / np.array(speed.wall)),
            "cpu_ms": quartiles(1000 * np.array(speed.cpu)),
            "above_one_image_mb": max(speed.peaks),
            "base": base,
            "throughput": quartiles(np.array(speeds[base].wall) / np.array(speed.wall)),
        }
        for name, speed in speeds.items()
        for base in [base_of(name, speeds)]
    ]


def base_of(name: str, speeds: Mapping[str, Speed]) -> str:
    """Return the case that another one is compared with."""
    if name in (EVALUATE, PREDICT) and f"{name}, before" in speeds:
        return f"{name}, before"
    return ONE if "2" in name else name


def page(rows: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> list[str]:
    """Return the lines of the result page."""
    start = report["conditions"]
    head = ["", "images/s", "processor ms/image", "MiB above one image", "throughput", "of"]
    return [
        "# Throughput of whole commands on the CPU",
        "",
        f"`{report['command']}`, a part of `make bench`: TokenCut on the stand-in ViT-Ti/16 and "
        f"the first {report['images']} images of ECSSD; `sod evaluate` with two rows and default "
        "measures, `sod predict` with maps, masks and overlays, refined. Processes of their own, "
        f"in turns, {report['passes']} passes; what one image takes, start and end, is subtracted. "
        "Given are medians, in brackets quartiles. *Before* is the older commit; *one thread* has "
        f"`{' '.join(PLAIN)}` and one core, as each of two processes. Target: {TARGET} times "
        "before.",
        "",
        f"Commit {start['commit']}, before: {report['before']}; {start['cpus']} CPUs "
        f"({start['machine']}), load average {start['load_average'][0]} at the start, "
        f"{report['load_average_at_the_end'][0]} at the end, where the commands themselves count. "
        "Wall time means nothing where other programs run beside it.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(
            f"| {r['case']} | {r['images_per_second']} | {r['cpu_ms']} | "
            f"{r['above_one_image_mb']:.0f} | {r['throughput']} | {r['base']} |"
            for r in rows
        ),
    ]


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="checkout of an older commit; none: left out")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    before = options.before.resolve() if options.before else None
    start = conditions()
    found = measure(cases(before), options.shared.resolve(), options.images, options.passes)
    command = f"python benchmarks/throughput.py --images {options.images}"
    report: dict[str, Any] = {
        "command": command + (" --before DIR" if before else ""),
        "images": options.images,
        "passes": options.passes,
        "before": commit_of(before) if before else "none",
        "conditions": start,
        "load_average_at_the_end": conditions()["load_average"],
    }
    rows = rows_of(found)
    report["rows"] = [{**row} for row in rows]
    report["seconds"] = {name: speed._asdict() for name, speed in found.items()}
    write_results("throughput", page(rows, report), report, options.out)


def commit_of(checkout: Path) -> str:
    """Return the short name of the commit of a checkout."""
    line = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(line, text=True).strip()


if __name__ == "__main__":
    main()
