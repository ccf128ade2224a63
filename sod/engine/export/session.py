"""An ONNX graph of `sod export`, run by ONNX Runtime on images of any size."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.core.extras import optional
from sod.engine.export.rules import Rules, read_rules
from sod.nn.inference import image_logits
from sod.nn.resize import resize

PROVIDERS: Mapping[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""ONNX Runtime's name of each device."""

SMALLEST = 1e-6
"""Saliency is clamped to this distance from 0 and 1 where the logits of views are averaged."""


class OnnxGraph:
    """A graph from ``images`` to ``saliency``, and the rules in its metadata.

    Args:
        path: The file.

    Attributes:
        rules: How images of any size are given to it.
        free: Whether height and width of its input are free.

    Raises:
        SodError: ONNX Runtime is missing, or the file is damaged or not of `sod export`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sessions: dict[str, Any] = {}
        session = self._session("cpu")
        metadata = session.get_modelmeta().custom_metadata_map
        self.rules: Rules = read_rules(metadata, str(path))
        sides = session.get_inputs()[0].shape[2:]
        self.free = all(isinstance(side, str) for side in sides)

    def saliency(self, images: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1] of RGB ``images [B, 3, H, W]`` in [0, 1].

        Raises:
            SodError: ONNX Runtime cannot use the images' device, or the graph fails.
        """
        rules, size = self.rules, (images.shape[-2], images.shape[-1])
        if rules.size is not None:
            return resize(self._run(_squeezed(images, rules.size)), size)
        if rules.inference is None:
            return self._run(images)
        views = (self._logits, images, rules.inference, rules.multiple, self._mean)
        return image_logits(*views).sigmoid()

    @cached_property
    def _mean(self) -> Tensor:
        return torch.tensor(self.rules.mean)

    def _logits(self, images: Tensor) -> Tensor:
        return self._run(images).logit(eps=SMALLEST)

    def _run(self, images: Tensor) -> Tensor:
        session = self._session(images.device.type)
        try:
            (saliency,) = session.run(["saliency"], {"images": images.float().cpu().numpy()})
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise SodError(f"{self.path}: the graph does not run: {_first_line(error)}") from error
        return torch.from_numpy(saliency).to(images.device).clamp(0, 1)

    def _session(self, device: str) -> Any:  # noqa: ANN401 - of an optional package
        """Return the session of a device, made at its first use."""
        if device not in self._sessions:
            self._sessions[device] = _open(self.path, device)
        return self._sessions[device]


def _open(path: Path, device: str) -> Any:  # noqa: ANN401 - of an optional package
    runtime = optional("onnxruntime", "onnx", str(path))
    provider = PROVIDERS.get(device)
    if provider not in runtime.get_available_providers():
        raise SodError(
            f"{path}: the installed ONNX Runtime does not run on {device}: give "
            "--trainer.accelerator cpu, or install onnxruntime-gpu for CUDA."
        )
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:
        raise SodError(f"{path}: is damaged or no ONNX graph: {_first_line(error)}") from error


def _squeezed(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images to the size of a graph that takes no other; the sides are scaled apart."""
    if images.shape[-2:] == size:
        return images
    resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return resized.clamp(0, 1)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
