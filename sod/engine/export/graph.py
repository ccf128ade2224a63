"""A method as an ONNX graph, kept only if its saliency agrees with PyTorch's."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.data.reading import to_tensor
from sod.data.synthetic import make_scene
from sod.engine.export.file import finish
from sod.engine.export.rules import Rules
from sod.engine.export.session import OnnxGraph
from sod.engine.export.tracing import PatchSaliency, Saliency, detached_copy, trace
from sod.engine.method import Method

TOLERANCES = {False: 1e-3, True: 2e-2}
"""A graph is kept if 99 % of the pixels differ from PyTorch's by less; in half precision (True)."""

DEFAULT_SIZE = (320, 320)
"""Height and width in pixels of a graph that cannot keep them free."""

SIZES = ((160, 210), (480, 640))
"""Sizes of the scenes that a graph of any size is compared on, larger than the traced one."""

MORE_SIZES = ((97, 133), (224, 224), (320, 320), (600, 400))
"""Further ones, for ``--check``."""

LARGE = 320 * 320
"""Pixels above which one scene has to do."""


class Difference(NamedTuple):
    """How far a graph is from PyTorch on scenes of one size.

    Args:
        size: Height and width of the images.
        largest: The largest difference of a pixel's saliency.
        most: 99 % of the pixels differ by less.
        mean: The mean difference.
    """

    size: tuple[int, int]
    largest: float
    most: float
    mean: float


class Written(NamedTuple):
    """A graph that was written.

    Args:
        rules: The rules in its metadata.
        differences: How far it is from PyTorch, per size.
        reason: Why height and width are fixed; None where they are free, or fixed by request.
    """

    rules: Rules
    differences: list[Difference]
    reason: str | None


def check_exportable(method: Method) -> None:
    """Reject a method that is no graph, and an environment without the ONNX packages.

    Raises:
        SodError: The method cannot be traced, or a package is missing.
    """
    if not method.is_traceable():
        raise SodError(
            f"--onnx: {type(method).__name__} is no graph of tensor operations: leave --onnx out, "
            "model.safetensors can hold it."
        )
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(name)
        except ImportError as error:
            raise SodError(
                f"--onnx: needs the package {name}: pip install 'sod[export]'"
            ) from error


def write_graph(
    method: Method,
    path: Path,
    size: tuple[int, int] | None = None,
    half: bool = False,
    thorough: bool = False,
) -> Written:
    """Write a graph from ``images`` ``[batch, 3, H, W]`` to ``saliency`` ``[batch, 1, H, W]``.

    Both are float32 in [0, 1]; normalisation is in the graph, size rules are in the metadata. The
    batch size is free, and without ``size`` height and width too, where PyTorch's exporter can
    keep them free. Graphs that resize images inside (``inference.scales`` at a fixed size) round
    them to 8 bits. Values halfway between two levels may then round differently than in PyTorch
    and change a map by some thousandths, so one pixel in a hundred may differ by more than the
    tolerance.

    Args:
        method: The method.
        path: The file; it is only kept if it agrees with PyTorch.
        size: Height and width of the images; None: any, if possible.
        half: Store and compute in half precision.
        thorough: Compare on more sizes.

    Raises:
        SodError: The method cannot be traced, the file cannot be written, or the results differ.
    """
    reason = None
    if size is None:
        try:
            return _write(method, path, None, half, thorough)
        except SodError as error:
            reason = str(error).partition(": nothing is written")[0].removeprefix("--onnx: ")
    return _write(method, path, size or DEFAULT_SIZE, half, thorough)._replace(reason=reason)


def _write(
    method: Method, path: Path, size: tuple[int, int] | None, half: bool, thorough: bool
) -> Written:
    own = detached_copy(method)
    rules = Rules(type(own).__name__, size, half=half, calibration=own.calibrations)
    patches = own.patch_model() if size is None else None
    if patches is not None:
        red, green, blue = patches.mean.flatten().tolist()
        # The graph adds the bias.
        inference = replace(patches.config, bias=0.0)
        rules = replace(rules, multiple=patches.patch_size, inference=inference)
        rules = replace(rules, mean=(red, green, blue))
    model = Saliency(own) if patches is None else PatchSaliency(own)
    multiple = rules.multiple if size is None else None
    traced = size or (8 * rules.multiple, 11 * rules.multiple)
    images = scenes(traced)[:2]
    with torch.no_grad():
        model(images)
    with atomic_file(path) as temporary:
        trace(model, images, temporary, multiple)
        finish(temporary, rules)
        sizes = [size] if size else [*SIZES, *(MORE_SIZES if thorough else ())]
        differences = compare(own, temporary, sizes)
        _check(differences, TOLERANCES[half])
    return Written(rules, differences, None)


def compare(method: Method, path: Path, sizes: list[tuple[int, int]]) -> list[Difference]:
    """Compare a graph with PyTorch on synthetic scenes of each size.

    Args:
        method: The method, on the CPU.
        path: The graph.
        sizes: Heights and widths in pixels.

    Raises:
        SodError: Height and width should be free, and are not.
    """
    graph = OnnxGraph(path)
    if graph.rules.size is None and not graph.free:
        raise SodError("--onnx: PyTorch's exporter made constants of height and width")
    found = []
    for size in sizes:
        images = scenes(size)
        with torch.no_grad():
            expected = method.saliency(images)
        gaps = (graph.saliency(images) - expected).abs().flatten()
        most = gaps.kthvalue(max(1, round(0.99 * len(gaps)))).values
        found.append(Difference(size, float(gaps.max()), float(most), float(gaps.mean())))
    return found


def scenes(size: tuple[int, int]) -> Tensor:
    """Return three synthetic scenes, or a single large one, ``[B, 3, H, W]`` in [0, 1]."""
    count = 3 if size[0] * size[1] <= LARGE else 1
    return torch.stack([to_tensor(make_scene(index, size)[0]) for index in range(count)])


def _check(differences: list[Difference], tolerance: float) -> None:
    for each in differences:
        if not each.most <= tolerance or not each.largest <= 1:  # a NaN is neither
            raise SodError(
                f"--onnx: its saliency differs from PyTorch's by {each.most:.1e} or more in a "
                f"hundredth of the pixels of {each.size[0]}x{each.size[1]} images: nothing is "
                "written; give another --size, or leave --onnx out."
            )
