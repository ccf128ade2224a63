"""A model of `sod export --onnx`, run by ONNX Runtime."""

from pathlib import Path

from torch import Tensor

from sod.core.files import file_checksum
from sod.engine.export.session import OnnxGraph
from sod.engine.method import Method


class OnnxModel(Method):
    """An exported graph; ``--ckpt model.onnx`` and ``sod.load("model.onnx")`` make it.

    Args:
        file: The file, which holds the weights, and sizes and scales of the images.
    """

    def __init__(self, file: str) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.file = Path(file)
        self.graph = OnnxGraph(self.file)
        self.calibrations = self.graph.rules.calibration

    def saliency(self, images: Tensor) -> Tensor:
        """Return the saliency of the graph, at the size of the images."""
        return self.graph.saliency(images)

    def is_traceable(self) -> bool:
        """Return false: it is a graph already."""
        return False

    def weights_checksum(self) -> str:
        """Return the checksum of the file."""
        return file_checksum(self.file)
