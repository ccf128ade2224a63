"""`sod export`: a trained model as self-contained files."""

import re
import shlex
import sys
from pathlib import Path

import yaml

from sod.cli.program import Program, say
from sod.core.errors import SodError
from sod.core.files import write_text
from sod.core.locks import output_folder
from sod.data.pictures import write_picture
from sod.engine.checkpoint import ONNX_METHOD, load_checkpoint
from sod.engine.export.graph import Written, check_exportable, write_graph
from sod.engine.method import Method
from sod.engine.model_file import write_model
from sod.evaluation.card import Facts, model_card, read_metrics
from sod.prediction.thumbnail import make_thumbnail, thumbnail_photos

SMALLEST = 16
"""Smallest side in pixels of the images that an exported graph accepts."""

FILES = {
    "model.safetensors": "method, arguments and all weights, for `sod` and `sod.load`",
    "config.yaml": "the arguments of the method",
}


def export(
    cli: Program,
    out: str = "out",
    ckpt: str | None = None,
    onnx: bool = False,
    size: str | None = None,
    half: bool = False,
    check: bool = False,
    metrics: str | None = None,
    photos: str | None = None,
) -> int:
    """Export a model: weights, config, model card, thumbnail, and optionally an ONNX graph.

    Args:
        cli: The assembled program.
        out: Folder for model.safetensors (usable as --ckpt), config.yaml, model_card.md (the model
            card), thumbnail.png and model.onnx.
        ckpt: Checkpoint of a trained method.
        onnx: Also write model.onnx, and compare its output with PyTorch's.
        size: Fixed height and width in pixels of the images for model.onnx, as HxW; by default any,
            where the graph allows it, else 320x320.
        half: Weights of model.onnx in half precision; its input and output stay float32.
        check: Compare model.onnx with PyTorch on images of more sizes, and print the differences.
        metrics: Folder of `sod evaluate`, whose figures the model card shows.
        photos: Photos of the thumbnail, a folder or a file; by default built-in scenes.
    """
    method, fixed = cli.method, None if size is None else parse_size(size)
    _check_options(method, ckpt, onnx=onnx, needs_onnx=half or check)
    load_checkpoint(method, ckpt)
    method.eval()
    content = method.portable()
    if onnx:
        check_exportable(method)
    rows, shown = read_metrics(metrics), thumbnail_photos(photos)
    folder, files = output_folder(out), dict(FILES)
    if onnx:
        written = write_graph(method, folder / "model.onnx", fixed, half, check)
        files["model.onnx"] = graph_line(written)
        _report_graph(written)
    write_model(content, folder / "model.safetensors")
    _write_config(method, content["hyper_parameters"], folder / "config.yaml")
    write_picture(folder / "thumbnail.png", make_thumbnail(method, shown))
    origin = None if ckpt is None else Path(ckpt)
    card = model_card(method, Facts(_command(), origin, files, rows))
    write_text(folder / "model_card.md", card)
    say(f"{', '.join([*files, 'model_card.md', 'thumbnail.png'])} in {folder}")
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


def graph_line(written: Written) -> str:
    """Return in words which images a graph takes."""
    rules = written.rules
    sides = "x".join(map(str, rules.size)) if rules.size else "any height and width"
    if rules.size is None and rules.multiple > 1:
        sides = f"height and width any multiples of {rules.multiple}"
    precision = ", half precision" if rules.half else ""
    return f"images [batch, 3, height, width], {sides}, to saliency{precision}"


def _check_options(method: Method, ckpt: str | None, *, onnx: bool, needs_onnx: bool) -> None:
    if type(method).__name__ == ONNX_METHOD:
        raise SodError(f"--ckpt {ckpt}: is exported already; give the checkpoint it was made of.")
    if ckpt is None and method.is_trainable():
        raise SodError(f"{type(method).__name__} has to be trained first: give --ckpt FILE.")
    if needs_onnx and not onnx:
        raise SodError("--half and --check concern the graph: give --onnx too.")


def _report_graph(written: Written) -> None:
    worst = max(written.differences, key=lambda each: each.largest)
    say(f"model.onnx: {graph_line(written)}; differs from PyTorch by {worst.largest:.1e} at most")
    if written.reason:
        say(f"model.onnx has a fixed size: {written.reason}")
    if len(written.differences) > 1:
        for each in written.differences:
            height, width = each.size
            say(
                f"  {height}x{width}: largest {each.largest:.1e}, 99 % below {each.most:.1e}, "
                f"mean {each.mean:.1e}"
            )


def _command() -> str:
    return shlex.join(["sod", *sys.argv[1:]])


def _write_config(method: Method, arguments: dict[str, object], path: Path) -> None:
    model = {"class_path": type(method).__name__, "init_args": arguments}
    note = "# The method of model.safetensors; without --ckpt, its weights are random.\n"
    write_text(path, note + yaml.safe_dump({"model": model}, sort_keys=False))
