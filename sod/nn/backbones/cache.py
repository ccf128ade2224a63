"""Features of images that were seen before, found by the content of the image."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sod.core.files import atomic_file
from sod.data.features import FeaturesConfig

HEADER = 128
"""Bytes of a file beside its values, at most, where these have few axes."""

Compute = Callable[[Tensor], Tensor]
"""Maps images ``[B, 3, H, W]`` to what is kept of each, ``[B, ...]``."""


class FeatureCache:
    """What was computed of single images, by their content.

    The key is a checksum of the pixels, their size and type, of the ``identity``, and of what was
    computed; a wrong hit is as unlikely as two files of one SHA-256. Files are written atomically,
    so that several processes may share a folder; a damaged file is computed again.

    Args:
        config: Place, size and precision.
        identity: Whose features they are: a checksum of weights and configuration.

    Attributes:
        hits: Images that were found.
        misses: Images that were computed.
    """

    def __init__(self, config: FeaturesConfig, identity: str) -> None:
        self.config = config
        self.identity = identity
        self.hits = self.misses = 0
        self._kept: dict[str, Tensor] = {}
        self._folder = Path(config.folder) / identity[:16] if config.cache == "disk" else None
        self._free = int(config.limit * 2**30)
        if self._folder is not None and self._folder.is_dir():
            self._free -= sum(file.stat().st_size for file in self._folder.glob("*.safetensors"))

    def recall(self, images: Tensor, kind: str, compute: Compute) -> Tensor:
        """Return what was computed of each image before, and compute what is missing.

        Args:
            images: ``[B, 3, H, W]``.
            kind: Names what is computed, with all that it depends on besides image and identity.
            compute: Computes it for the missing images, in one batch.

        Returns:
            ``[B, ...]``, as ``compute`` returns it, on the device of the images.
        """
        keys = [self._key(image, kind) for image in images]
        found = [self._find(key) for key in keys]
        missing = [index for index, part in enumerate(found) if part is None]
        self.hits += len(keys) - len(missing)
        self.misses += len(missing)
        if missing:
            new = images if len(missing) == len(keys) else images[missing]
            computed = self._rounded(compute(new))
        for row, index in enumerate(missing):
            found[index] = computed[row]
            self._keep(keys[index], computed[row])
        if len(missing) == len(keys):
            return computed
        dtype = computed.dtype if missing else None
        parts = [part.to(images.device) for part in found if part is not None]
        return torch.stack([part.to(dtype or _wide(part)) for part in parts])

    def _rounded(self, values: Tensor) -> Tensor:
        """Return values as they will be found, so that a resumed run sees the same."""
        half = self.config.half and values.is_floating_point()
        return values.half().to(values.dtype) if half else values

    def _key(self, image: Tensor, kind: str) -> str:
        pixels = image.detach().contiguous().cpu()
        about = f"{self.identity} {kind} {tuple(pixels.shape)} {pixels.dtype}"
        digest = hashlib.sha256(about.encode())
        digest.update(pixels.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _find(self, key: str) -> Tensor | None:
        if self._folder is None:
            return self._kept.get(key)
        try:
            return load_file(self._file(key))["values"]
        except (OSError, SafetensorError, KeyError):
            return None

    def _keep(self, key: str, values: Tensor) -> None:
        dtype = torch.float16 if self.config.half and values.is_floating_point() else values.dtype
        size = values.numel() * dtype.itemsize + (HEADER if self._folder is not None else 0)
        if size > self._free:
            return
        self._free -= size
        with torch.inference_mode(False):  # what validation computes is used in training too
            kept = values.detach().to("cpu", dtype, copy=True).contiguous()
        if self._folder is None:
            self._kept[key] = kept
            return
        with atomic_file(self._file(key)) as temporary:
            save_file({"values": kept}, temporary)

    def _file(self, key: str) -> Path:
        assert self._folder is not None  # noqa: S101 - narrows the type
        return self._folder / f"{key}.safetensors"


def _wide(values: Tensor) -> torch.dtype:
    return torch.float32 if values.dtype == torch.float16 else values.dtype
