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
import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.engine.method import Method
from sod.nn.backbones.vit import VisionBackbone


def detached_copy(method: Method) -> Method:
    """Return a copy of a method on the CPU, in evaluation mode, without cached features.

    It is a copy because tracing leaves placeholders in the values that a model caches.
    """
    own = deepcopy(method).cpu().eval()
    for module in own.modules():
        if isinstance(module, VisionBackbone):
            module.caches = False
    return own


class Saliency(nn.Module):
    """A method whose call returns its saliency.

    Args:
        method: The method.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1] of RGB ``images [B, 3, H, W]`` in [0, 1]."""
        return self.method.saliency(images)


class PatchSaliency(Saliency):
    """A method with a ``patch_model``, called on images whose sides are multiples of the patch.

    Scales, mirror images and padding are left to the caller.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return the saliency of one view of the images."""
        patches = self.method.patch_model()
        assert patches is not None  # noqa: S101 - narrows the type
        logits = patches.model(images).float()
        size = (images.shape[-2], images.shape[-1])
        logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        return (logits + patches.config.bias).sigmoid()


def trace(model: Saliency, images: Tensor, path: Path, multiple: int | None = None) -> None:
    """Write a model as ONNX, for any number of images.

    Args:
        model: It must have been called with images of this size before, so that values cached per
            size, such as resampling weights, are not created while it is traced.
        images: ``[B, 3, H, W]`` with at least two images.
        path: The file.
        multiple: Height and width are any multiples of this; None: those of ``images``.

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
                dynamic_shapes={"images": _dimensions(multiple)},
                custom_translation_table={torch.ops.aten.hypot.default: _hypot()},
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - narrows the type
            program.save(path, external_data=False)
    except Exception as error:  # the exporter raises what its many parts raise
        detail = _last_words(error.__cause__ or error)
        raise SodError(f"--onnx: PyTorch cannot write this {name} as a graph: {detail}") from error


def _dimensions(multiple: int | None) -> dict[int, Any]:
    """Return the dimensions of the images that are free."""
    batch = {0: torch.export.Dim("batch")}
    if multiple is None:
        return batch
    height, width = (torch.export.Dim(name, min=2, max=4096) for name in ("rows", "columns"))
    return {**batch, 2: multiple * height, 3: multiple * width}


def _last_words(error: BaseException) -> str:
    """Return the first line of an error of the exporter."""
    return str(error).strip().partition("\n")[0]


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
