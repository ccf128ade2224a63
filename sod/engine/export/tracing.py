"""From a method to an ONNX file with PyTorch's exporter."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.engine.method import Method
from sod.nn.backbones.vit import VisionBackbone


class Saliency(nn.Module):
    """A copy of a method on the CPU whose call returns its saliency, without cached features.

    It is a copy because tracing leaves placeholders in the values that a model caches.

    Args:
        method: The method.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = deepcopy(method).cpu()
        for module in self.method.modules():
            if isinstance(module, VisionBackbone):
                module.caches = False
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1] of RGB ``images [B, 3, H, W]`` in [0, 1]."""
        return self.method.saliency(images)


def trace(model: Saliency, images: Tensor, path: Path) -> None:
    """Write a model as ONNX, for any number of images of this size.

    Args:
        model: It must have been called with images of this size before, so that values cached per
            size, such as resampling weights, are not created while it is traced.
        images: ``[B, 3, H, W]`` with at least two images.
        path: The file.

    Raises:
        SodError: The exporter cannot write this model.
    """
    name = type(model.method).__name__
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (images,),
                input_names=["images"],
                output_names=["saliency"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                custom_translation_table={torch.ops.aten.hypot.default: _hypot()},
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - narrows the type
            for node in program.model.graph:
                node.metadata_props.clear()  # lines and paths of the traced code
            program.save(path, external_data=False)
    except (torch.onnx.OnnxExporterError, ValueError) as error:
        detail = str(error.__cause__ or error).strip().partition("\n")[0]
        raise SodError(f"--onnx: PyTorch cannot write this {name} as a graph: {detail}") from error


def _hypot() -> Callable[..., Any]:
    """Return a translation of ``hypot``, which PyTorch's exporter lacks."""
    from onnxscript import opset18 as op

    return lambda x, y: op.Sqrt(op.Add(op.Mul(x, x), op.Mul(y, y)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's notices, which a user cannot act upon."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
