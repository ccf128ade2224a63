"""Saliency as an ONNX graph that is only kept if it says what PyTorch says."""

from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import draft_of
from sod.data.synthetic import make_scene
from sod.engine.export.tracing import Saliency, trace
from sod.engine.method import Method

TOLERANCE = 1e-3
"""A graph is kept if all but one in a hundred pixels differ from PyTorch's by less."""


def check_exportable(method: Method) -> None:
    """Refuse a method that no graph can hold, and a Python without the packages.

    Raises:
        SodError: One of the two.
    """
    if not method.traceable():
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


def write_graph(method: Method, path: Path, size: tuple[int, int]) -> float:
    """Write ``images`` float32 ``[batch, 3, H, W]`` to ``saliency`` ``[batch, 1, H, W]``.

    Both are in [0, 1]; the batch is free, height and width are not. Where a method resizes images
    (``inference.scales``), it rounds them to 8 bits: values between two levels fall to either side,
    as they do in PyTorch of another precision, and move a map by some thousandths here and there:
    one pixel in a hundred may differ by more than the tolerance.

    Args:
        method: What says what is salient.
        path: The file; it is only there in the end if it says the same.
        size: Height and width of the images.

    Returns:
        The largest difference from the method's own saliency, on three scenes.

    Raises:
        SodError: The method cannot be traced, the file cannot be written, or says something else.
    """
    model = Saliency(method)
    images = torch.stack([_scene(index, size) for index in range(3)])
    with torch.no_grad():
        expected = model(images)
    with draft_of(path) as draft:
        trace(model, images[:2], draft)
        differences = (_run(draft, images) - expected).abs().flatten()
        most = float(differences.kthvalue(max(1, round(0.99 * len(differences)))).values)
        if most > TOLERANCE or not differences.isfinite().all():
            raise SodError(
                f"--onnx: its saliency differs from PyTorch's by {most:.1e} or more in a hundredth "
                "of the pixels: nothing is written; give another --size, or leave --onnx out."
            )
    return float(differences.max())


def _scene(index: int, size: tuple[int, int]) -> Tensor:
    image, _ = make_scene(index, size)
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


def _run(path: Path, images: Tensor) -> Tensor:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (saliency,) = session.run(None, {"images": images.numpy()})
    except Exception as error:  # its errors have no class in common
        detail = str(error).strip().partition("\n")[0]
        raise SodError(f"--onnx: what was traced does not run: {detail}") from error
    return torch.from_numpy(saliency)
