"""Base class of feature extractors."""

import hashlib
from collections.abc import Sequence
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from typing_extensions import Self

from sod.core.files import state_checksum
from sod.data.features import FeaturesConfig
from sod.nn.backbones.cache import FeatureCache

_CACHES: WeakValueDictionary[tuple[FeaturesConfig, str], FeatureCache] = WeakValueDictionary()
"""The caches in use: equal backbones, such as those of several students, share one."""


class Backbone(nn.Module):
    """Base class of frozen backbones, which map images to a grid of features.

    A call takes float images ``[B, 3, H, W]`` in [0, 1], H and W any multiples of ``patch_size``,
    and returns features ``[B, channels, H / patch_size, W / patch_size]``. Images are normalised
    inside. A backbone stays in evaluation mode, whatever the mode of the module that contains it.

    Attributes:
        patch_size: Side of the square patch that one feature describes, in pixels.
        channels: Number of feature channels.
        widths: Number of channels of each concatenated feature; the first is the configured facet.
        mean: Mean colour, ``[3]``; subtracted from images and used as the padding colour.
        std: Standard deviation of the colours, ``[3]``, by which images are divided.
        cache: Features of images that were seen before, or None (:func:`use_cache`).
        concurrent: Whether threads may call it beside each other.
    """

    concurrent: bool = False

    mean: Tensor
    std: Tensor

    def __init__(
        self, patch_size: int, channels: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.channels = channels
        self.widths = [channels]
        self.cache: FeatureCache | None = None
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """Return what a call returns; what the cache holds is not computed again."""
        if self.cache is None:
            features: Tensor = self(images)
            return features
        autocast = torch.is_autocast_enabled(images.device.type)
        precision = torch.get_autocast_dtype(images.device.type) if autocast else self.mean.dtype
        return self.cache.recall(images, f"features {precision}", self)

    def identity(self) -> str:
        """Return a checksum of weights and settings, which decide the features."""
        settings = {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and name not in {"cache", "caches", "training", "vit"}
        }
        text = (
            f"{type(self).__name__} {sorted(settings.items())} {state_checksum(self.state_dict())}"
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def train(self, mode: bool = True) -> Self:
        """Keep evaluation mode.

        Args:
            mode: Ignored.
        """
        return super().train(False)

    def freeze(self) -> Self:
        """Disable the gradients of all parameters and switch to evaluation mode."""
        return self.requires_grad_(False).eval()

    def grid(self, images: Tensor) -> tuple[int, int]:
        """Return the numbers of rows and columns of the features of ``images``.

        Raises:
            ValueError: If a side is not a multiple of the patch size.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size or not height * width:
            raise ValueError(f"{height}x{width} images, but patches of {self.patch_size} pixels")
        return height // self.patch_size, width // self.patch_size

    def normalise(self, images: Tensor) -> Tensor:
        """Return ``(images - mean) / std`` per channel, in the precision of the weights."""
        return (images.to(self.mean.dtype) - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)


def use_cache(model: nn.Module, config: FeaturesConfig) -> bool:
    """Let the frozen backbones of a model recall the features of images that they have seen.

    Args:
        model: The model, changed in place.
        config: Where the features are kept; with ``none``, they are not.

    Returns:
        Whether it has any frozen backbone.
    """
    parts = (module for module in model.modules() if isinstance(module, Backbone))
    frozen = [part for part in parts if not _wraps_another(part)]
    for module in frozen:
        if config.cache == "none":
            module.cache = None
            continue
        key = (config, module.identity())
        module.cache = _CACHES.get(key) or FeatureCache(*key)
        _CACHES[key] = module.cache
    return bool(frozen)


def _wraps_another(module: Backbone) -> bool:
    """Return whether a backbone changes the features of another, as a trained one may do."""
    return any(isinstance(part, Backbone) for part in module.modules() if part is not module)
