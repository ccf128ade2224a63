"""Mutated files of every kind that the program reads: each is read or refused in one line.

``python -m torture.files --count 10000 --out DIR`` prints a table and keeps the files that were
neither. A fault is any other error, a file that takes longer than ``LIMIT`` seconds, a process or a
connection that reading started, and a message of several lines.
"""

import argparse
import io
import json
import logging
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

import sod.methods  # noqa: F401 - defines the methods
from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.core.errors import SodError
from sod.data.annotations import read_boxes, read_coco, read_voc_file
from sod.data.image_files import _formats
from sod.data.maps import read_map
from sod.data.reading import read_image, read_mask
from sod.engine.building import build_from_checkpoint, build_method
from sod.engine.checkpoint import checkpoint_of
from sod.engine.model_file import HEADER, write_model
from sod.labels.store import LabelStore
from sod.nn.backbones.weights import read_weights
from torture.mutations import changed, damaged

LIMIT = 20
"""Seconds that a file may take."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "HEIF", "AVIF")
PLAIN = {"backbone": {"name": "descriptor", "weights": None}}
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
Make = Callable[[Random, Path], Path]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: For the table.
        make: Writes a mutated file below a folder.
        read: Reads it as the program does.
    """

    name: str
    make: Make
    read: Callable[[Path], object]


@dataclass
class Outcome:
    """What became of the files of one kind.

    Args:
        read: Number of files that were read.
        refused: Number of those that were refused in one line.
        faults: The file and the error of each other one.
        slowest: Seconds of the slowest file.
    """

    read: int = 0
    refused: int = 0
    faults: list[tuple[bytes, str, str]] = field(default_factory=list)
    slowest: float = 0.0


class TooSlow(BaseException):
    """A file took longer than the limit."""


def kinds() -> list[Kind]:
    """Return all kinds of files."""
    return [
        Kind("images", _image, lambda path: (read_image(path), read_mask(path))),
        Kind("maps (.npy)", _array, read_map),
        Kind("checkpoints", _checkpoint, lambda path: build_from_checkpoint(str(path))),
        Kind("models (.safetensors)", _model, lambda path: build_from_checkpoint(str(path))),
        Kind("weights (.pth)", _weights, read_weights),
        Kind("manifests of stores", _manifest, lambda path: LabelStore(path.parent)),
        Kind("annotations", _annotations, _read_annotations),
        Kind("configs", _config, _read_config),
    ]


def run(count: int, seed: int, chosen: list[Kind] | None = None) -> dict[str, Outcome]:
    """Read mutated files and return what became of them, by kind.

    Args:
        count: Number of files, shared by the kinds: configs, which take longest, get a tenth.
        seed: Seed of everything.
        chosen: Kinds of files; None: all.
    """
    outcomes: dict[str, Outcome] = {}
    selected = chosen or kinds()
    for kind in selected:
        rng, outcome = Random(f"{seed} {kind.name}"), Outcome()
        share = (
            count // 10 if kind.name == "configs" else count * 9 // 10 // max(len(selected) - 1, 1)
        )
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(max(share, 1)):
                _try(kind, kind.make(rng, Path(folder)), outcome)
        outcomes[kind.name] = outcome
    return outcomes


def table(outcomes: dict[str, Outcome]) -> str:
    """Return the outcomes as a Markdown table."""
    rows = [
        f"| {name} | {o.read + o.refused + len(o.faults)} | {o.read} | {o.refused} | "
        f"{len(o.faults)} | {o.slowest:.1f} |"
        for name, o in outcomes.items()
    ]
    head = [
        "| files | tried | read | refused in one line | faults | slowest (s) |",
        "|" + "---|" * 6,
    ]
    return "\n".join([*head, *rows])


def _try(kind: Kind, path: Path, outcome: Outcome) -> None:
    start = time.monotonic()
    try:
        with _watched() as started:
            kind.read(path)
        outcome.read += 1
        fault = ""
    except SodError as error:
        fault = f"several lines: {error}" if "\n" in str(error) else ""
        outcome.refused += not fault
    except (Exception, TooSlow) as error:
        fault = "".join(traceback.format_exception(error)[-3:])
    if started:
        fault = f"started {started}"
    if fault:
        outcome.faults.append((path.read_bytes(), path.suffix, fault))
    outcome.slowest = max(outcome.slowest, time.monotonic() - start)


_STARTED: list[str] = []


def _audit(event: str, _: object) -> None:
    if event in STARTS:
        _STARTED.append(event)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Raise :class:`TooSlow` after the limit, and list what the block starts."""

    def stop(*_: object) -> None:
        raise TooSlow

    _STARTED.clear()
    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield _STARTED
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def _image(rng: Random, folder: Path) -> Path:
    format_ = rng.choice([name for name in FORMATS if name in _formats()])
    mode = rng.choice(("RGB", "L")) if format_ != "GIF" else "P"
    pixels = np.frombuffer(rng.randbytes(24 * 18 * 3), np.uint8).reshape(18, 24, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format_)
    return _written(folder / "a.jpg", damaged(buffer.getvalue(), rng))


def _array(rng: Random, folder: Path) -> Path:
    buffer = io.BytesIO()
    values = np.frombuffer(rng.randbytes(48), np.uint8).reshape(6, 8)
    np.save(buffer, values if rng.random() < 0.5 else values / 255)
    return _written(folder / "a.npy", damaged(buffer.getvalue(), rng))


def _methods() -> list[dict[str, Any]]:
    student = {"network": {"kind": "lowres", "width": 4}}
    built = [
        build_method("TokenCut", PLAIN, {}, "torture"),
        build_method("Peekaboo", PLAIN, {}, "torture"),
        build_method("Student", student, {}, "torture"),
    ]
    ensemble = build_method(
        "Generations", {**PLAIN, "quality_network": {"width": 4, "size": 8}}, {}, ""
    )
    contents = [checkpoint_of(method) for method in [*built, ensemble]]
    contents[-1]["students"] = [{"name": "one", **checkpoint_of(built[2])}]
    return contents


_CONTENTS: list[dict[str, Any]] = []


def _content(rng: Random) -> dict[str, Any]:
    if not _CONTENTS:
        _CONTENTS.extend(_methods())
    return rng.choice(_CONTENTS)


def _checkpoint(rng: Random, folder: Path) -> Path:
    content, buffer = _content(rng), io.BytesIO()
    by_value = rng.random() < 0.7
    torch.save(changed(content, rng) if by_value else content, buffer)
    data = buffer.getvalue()
    return _written(folder / "a.ckpt", data if by_value else damaged(data, rng))


def _model(rng: Random, folder: Path) -> Path:
    path = folder / "a.safetensors"
    content = rng.choice(
        [each for each in [_content(rng)] if "students" not in each] or _CONTENTS[:1]
    )
    if rng.random() < 0.5:
        write_model(content, path)
        return _written(path, damaged(path.read_bytes(), rng))
    state = content["state_dict"] or {"a": torch.zeros(1)}
    header = {key: value for key, value in content.items() if key != "state_dict"} | {"same": {}}
    text = json.dumps(changed(header, rng, _plain), default=str)
    save_file({name: value.clone() for name, value in state.items()}, path, {HEADER: text})
    return path


def _plain(rng: Random) -> Any:  # noqa: ANN401 - anything that JSON and YAML hold
    deep: Any = 1
    for _ in range(rng.choice((3, 60, 150))):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    return rng.choice(
        [None, True, -1, 10**6, 10**30, 0.5, float("nan"), "", "x", "\0\n", [], {}, [1], deep]
    )


def _weights(rng: Random, folder: Path) -> Path:
    content = {"model": {f"module.{i}.weight": torch.zeros(2, 3) for i in range(3)}, "epoch": 3}
    buffer = io.BytesIO()
    torch.save(changed(content, rng) if rng.random() < 0.5 else content, buffer)
    return _written(folder / "a.pth", damaged(buffer.getvalue(), rng))


def _manifest(rng: Random, folder: Path) -> Path:
    row = {
        "name": "a",
        "source": "s",
        "score": 0.5,
        "area": 0.1,
        "sha256": "0",
        "image_sha256": "0",
    }
    rows = [changed(row, rng, _plain) if rng.random() < 0.3 else row for _ in range(4)]
    data = "".join(f"{json.dumps(each)}\n" for each in rows).encode()
    return _written(folder / "manifest.jsonl", damaged(data, rng) if rng.random() < 0.5 else data)


def _annotations(rng: Random, folder: Path) -> Path:
    images = [{"id": 1, "file_name": "a.jpg"}]
    coco = {"images": images, "annotations": [{"image_id": 1, "bbox": [0, 0, 2, 3], "iscrowd": 0}]}
    box = "".join(f"<{side}>1</{side}>" for side in ("xmin", "ymin", "xmax", "ymax"))
    texts = {
        "json": json.dumps(changed(coco, rng, _plain) if rng.random() < 0.7 else coco),
        "csv": "image,x0,y0,x1,y1\na,0,0,2,3\n",
        "xml": f"<annotation><object><bndbox>{box}</bndbox></object></annotation>",
    }
    suffix = rng.choice(sorted(texts))
    data = texts[suffix].encode()
    return _written(folder / f"a.{suffix}", damaged(data, rng) if rng.random() < 0.7 else data)


def _read_annotations(path: Path) -> object:
    readers = {".json": read_coco, ".csv": read_boxes, ".xml": read_voc_file}
    return readers[path.suffix](path)


def _config(rng: Random, folder: Path) -> Path:
    model = {"class_path": "TokenCut", "init_args": {**PLAIN, "tau": 0.3, "max_tokens": 100}}
    config = {"model": model, "data": {"size": 32, "num_workers": 0}, "trainer": {"max_steps": 2}}
    by_value = rng.random() < 0.7
    text = yaml.safe_dump(changed(config, rng, _plain) if by_value else config).encode()
    return _written(folder / "a.yaml", text if by_value else damaged(text, rng))


def _read_config(path: Path) -> object:
    cli = assemble(COMMANDS["test"], ["--config", str(path)])
    return cli.method, cli.build_trainer([])


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def main() -> int:
    """Run the torture, print the table and keep the files with faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("torture"))
    options = parser.parse_args()
    sys.addaudithook(_audit)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    _limit_memory()
    outcomes = run(options.count, options.seed)
    sys.stdout.write(table(outcomes) + "\n")
    faults = [fault for outcome in outcomes.values() for fault in outcome.faults]
    for number, (data, suffix, text) in enumerate(faults):
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{number}{suffix}").write_bytes(data)
        (options.out / f"{number}.txt").write_text(text)
    return 1 if faults else 0


def _limit_memory() -> None:
    """Let absurd sizes fail at 8 GiB, as they do on any machine at some size."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    sys.exit(main())
