"""A method as an ONNX graph, kept only if its saliency agrees with PyTorch's."""

from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.data.reading import to_tensor
from sod.data.synthetic import make_scene
from sod.engine.export.tracing import Saliency, trace
from sod.engine.method import Method

TOLERANCE = 1e-3
"""A graph is kept if at least 99 % of the pixels differ from PyTorch's by less."""


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


def write_graph(method: Method, path: Path, size: tuple[int, int]) -> float:
    """Write a graph from ``images`` ``[batch, 3, H, W]`` to ``saliency`` ``[batch, 1, H, W]``.

    Both are float32 in [0, 1]. The batch size is free; height and width are fixed. Methods that
    resize images (``inference.scales``) round them to 8 bits. Values halfway between two levels may
    then round differently than in PyTorch and change a map by some thousandths, so one pixel in a
    hundred may differ by more than the tolerance.

    Args:
        method: The method.
        path: The file; it is only kept if it agrees with PyTorch.
        size: Height and width of the images.

    Returns:
        The largest difference from the method's own saliency, on three synthetic scenes.

    Raises:
        SodError: The method cannot be traced, the file cannot be written, or the results differ.
    """
    model = Saliency(method)
    images = torch.stack([_scene(index, size) for index in range(3)])
    with torch.no_grad():
        expected = model(images)
    with atomic_file(path) as temporary:
        trace(model, images[:2], temporary)
        differences = (_run(temporary, images) - expected).abs().flatten()
        most = float(differences.kthvalue(max(1, round(0.99 * len(differences)))).values)
        if most > TOLERANCE or not differences.isfinite().all():
            raise SodError(
                f"--onnx: its saliency differs from PyTorch's by {most:.1e} or more in a hundredth "
                "of the pixels: nothing is written; give another --size, or leave --onnx out."
            )
    return float(differences.max())


def _scene(index: int, size: tuple[int, int]) -> Tensor:
    image, _ = make_scene(index, size)
    return to_tensor(image)


def _run(path: Path, images: Tensor) -> Tensor:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (saliency,) = session.run(None, {"images": images.numpy()})
    except Exception as error:  # ONNX Runtime's errors have no common class
        detail = str(error).strip().partition("\n")[0]
        raise SodError(f"--onnx: the traced graph does not run: {detail}") from error
    return torch.from_numpy(saliency)
