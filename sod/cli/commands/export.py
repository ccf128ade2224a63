"""`sod export`: a trained model as self-contained files."""

import re
from pathlib import Path

import yaml

from sod.cli.program import Program, console
from sod.core.errors import SodError
from sod.core.files import make_folder, write_text
from sod.engine.checkpoint import load_checkpoint
from sod.engine.export.graph import check_exportable, write_graph
from sod.engine.method import Method
from sod.engine.model_file import write_model

SMALLEST = 16
"""Smallest side in pixels of the images that an exported graph accepts."""


def export(
    cli: Program,
    out: str = "out",
    ckpt: str | None = None,
    onnx: bool = False,
    size: str = "320x320",
) -> int:
    """Export a model with all its weights as safetensors, and optionally as ONNX.

    Args:
        cli: The assembled program.
        out: Folder for model.safetensors (usable as --ckpt), config.yaml and model.onnx.
        ckpt: Checkpoint of a trained method.
        onnx: Also write model.onnx, and compare its output with PyTorch's.
        size: Height and width in pixels of the images for model.onnx, as HxW.
    """
    method, (height, width) = cli.method, parse_size(size)
    if ckpt is None and method.is_trainable():
        raise SodError(f"{type(method).__name__} has to be trained first: give --ckpt FILE.")
    load_checkpoint(method, ckpt)
    method.eval()
    content = method.portable()
    if onnx:
        check_exportable(method)
    folder = make_folder(out)
    if onnx:
        difference = write_graph(method, folder / "model.onnx", (height, width))
        console.print(
            f"model.onnx: images [batch, 3, {height}, {width}] to saliency; differs from PyTorch's "
            f"by {difference:.1e} at most",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    write_model(content, folder / "model.safetensors")
    _write_config(method, content["hyper_parameters"], folder / "config.yaml")
    console.print(f"model.safetensors and config.yaml in {folder}", soft_wrap=True)
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """Parse a size such as ``320x320`` and return height and width in pixels.

    Raises:
        SodError: It is not HxW, or a side is smaller than ``SMALLEST``.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None or min(map(int, match.groups())) < SMALLEST:
        raise SodError(
            f"--size {text}: is not HEIGHTxWIDTH in pixels, such as 320x320, "
            f"each at least {SMALLEST}."
        )
    return int(match[1]), int(match[2])


def _write_config(method: Method, arguments: dict[str, object], path: Path) -> None:
    model = {"class_path": type(method).__name__, "init_args": arguments}
    note = "# The method of model.safetensors; without --ckpt, its weights are random.\n"
    write_text(path, note + yaml.safe_dump({"model": model}, sort_keys=False))
