"""The kinds of files that are mutated: how each is written, and how the program reads it."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
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

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "HEIF", "AVIF")
PLAIN = {"backbone": {"name": "descriptor", "weights": None}}
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
