"""`sod export`: a trained model as files that need nothing beside them."""

import re
from pathlib import Path

import yaml

from sod.cli.program import Program, console, make_folder
from sod.core.errors import SodError
from sod.core.files import draft_of
from sod.engine.checkpoint import load_weights
from sod.engine.export.graph import check_exportable, write_graph
from sod.engine.method import Method
from sod.engine.model_file import write_model

SMALLEST = 16
"""Smallest side in pixels of the images of a graph."""


def export(
    cli: Program,
    out: str = "out",
    ckpt: str | None = None,
    onnx: bool = False,
    size: str = "320x320",
) -> int:
    """Write a model with all its weights as safetensors, and as ONNX if asked for.

    Args:
        cli: The assembled program.
        out: Folder for model.safetensors (a --ckpt of any command), config.yaml and model.onnx.
        ckpt: Checkpoint of a trained method.
        onnx: Also write model.onnx, and compare what it says with PyTorch.
        size: Height and width in pixels of the images that model.onnx takes, as HxW.
    """
    method, (height, width) = cli.method, parse_size(size)
    if ckpt is None and method.learns():
        raise SodError(f"{type(method).__name__} has to learn first: give --ckpt FILE.")
    load_weights(method, ckpt)
    method.eval()
    content = method.portable()
    if onnx:
        check_exportable(method)
    folder = make_folder(out)
    if onnx:
        difference = write_graph(method, folder / "model.onnx", (height, width))
        console.print(
            f"model.onnx: images [batch, 3, {height}, {width}] to saliency, which differs from "
            f"PyTorch's by {difference:.1e} at most",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    write_model(content, folder / "model.safetensors")
    _write_config(method, content["hyper_parameters"], folder / "config.yaml")
    console.print(f"model.safetensors and config.yaml in {folder}", soft_wrap=True)
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width.

    Raises:
        SodError: It is not HxW, or a side is too small.
    """
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if found is None or min(map(int, found.groups())) < SMALLEST:
        raise SodError(
            f"--size {text}: is not HEIGHTxWIDTH in pixels, such as 320x320, from {SMALLEST} on."
        )
    return int(found[1]), int(found[2])


def _write_config(method: Method, arguments: dict[str, object], path: Path) -> None:
    model = {"class_path": type(method).__name__, "init_args": arguments}
    note = "# What --ckpt model.safetensors states too: without it, the weights are random ones.\n"
    with draft_of(path) as draft:
        draft.write_text(note + yaml.safe_dump({"model": model}, sort_keys=False), encoding="utf-8")
