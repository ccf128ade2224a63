"""One report of TokenCut, PEEKABOO, ConnNet and generations on ECSSD 0401-0500 and DUTS-TE.

    OMP_NUM_THREADS=1 python benchmarks/report.py --shared ../shared --out out/report

Trains on ECSSD 0001-0400 without masks with the supervised stand-in weights, predicts the maps of
both sets, and makes the report from the saved maps by one timed command. `--ckpt NAME=FILE` takes a
checkpoint that was trained on the same images elsewhere, such as by `connnet.py` and by
`generations.py`. Finished parts are not repeated. From nothing, an hour or two on one CPU core;
`--methods TokenCut,CentreBox` takes minutes.
"""

import argparse
import time
from pathlib import Path

from common import RESULTS, sod, split

STAND_INS = {
    "TokenCut": ("tokencut", "standin"),
    "CentreBox": ("centre_box", None),
    "PEEKABOO": ("peekaboo_plus", "standin_peekaboo"),
    "ConnNet": ("connnet", "connnet_standin"),
    "Generations": ("generations", "generations_standin"),
}
"""Config and config of the stand-in weights, by method."""
UNTRAINED = ("TokenCut", "CentreBox")
TRAINED = ("TokenCut", "PEEKABOO", "ConnNet", "Generations")


def test_set(test: Path, out: Path) -> Path:
    """Return a folder of the test images whose name is shown in tables."""
    folder = out / "ECSSD-0401-0500"
    folder.mkdir(exist_ok=True)
    for kind in ("images", "masks"):
        link = folder / kind
        if not link.is_symlink():
            link.symlink_to((test / kind).resolve())
    return folder


def predict(name: str, train: Path, sets: str, out: Path, given: Path | None = None) -> None:
    """Train a method if it is to be trained and not given, and save its maps of all sets."""
    config, stand_in = STAND_INS[name]
    words = [f"--config=configs/{config}.yaml"]
    words += [f"--config=benchmarks/{stand_in}.yaml"] if stand_in else []
    if name not in UNTRAINED:
        checkpoint = given or out / "runs" / name / "last.ckpt"
        if not checkpoint.is_file():
            more = ("--trainer.precision=32-true", f"--data.train={train / 'images'}")
            sod("fit", *words, *more, f"--out={checkpoint.parent}")
        words = [f"--ckpt={checkpoint}"]
    place = out / "maps" / name
    if not (place / "metrics.json").is_file():
        fast = ("--save_maps=true", "--pictures=false", "--resamples=0", f"--label={name}")
        sod("evaluate", *words, f"--data.test={sets}", *fast, f"--out={place}")


def main() -> None:
    """Make maps and report, and write its table and its time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/report"))
    parser.add_argument("--methods", default=",".join(TRAINED))
    parser.add_argument("--ckpt", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    out: Path = arguments.out
    names = arguments.methods.split(",")
    train, test = split(arguments.shared, out)
    duts = arguments.shared.resolve() / "data" / "DUTS-TE"
    sets = f"{test_set(test, out)},{duts}"
    given = {name: Path(file) for name, file in (each.split("=", 1) for each in arguments.ckpt)}
    for name in names:
        predict(name, train, sets, out, given.get(name))
    methods = ",".join(f"{name}={out}/maps/{name}/maps/{name}/{{set}}/*.png" for name in names)
    command = [f"--methods={methods}", f"--data.test={sets}", f"--out={out / 'report'}"]
    start = time.perf_counter()
    sod("benchmark", *command)
    seconds = time.perf_counter() - start
    table = (out / "report" / "metrics.md").read_text(encoding="utf-8")
    attributes = (out / "report" / "attributes.md").read_text(encoding="utf-8")
    text = [
        "# One report from saved maps",
        "",
        f"`python benchmarks/report.py --methods {arguments.methods}`",
        "",
        "Supervised stand-in weights, trained on ECSSD 0001–0400 without masks. From the "
        f"saved maps to all tables, figures and `report.html`: {seconds:.0f} s for "
        f"{len(names)} methods and 602 images, one process.",
        "",
        table,
        attributes,
    ]
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "report.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
