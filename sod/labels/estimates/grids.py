"""Frozen features and pseudo-masks of all images, on equal square grids, read once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sod.data.levels import from_levels, to_levels
from sod.data.maps import read_map
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.data.working_size import at_working_size
from sod.labels.store import LabelStore
from sod.nn.backbones.base import Backbone
from sod.nn.decoders.quality import resize_square

SIDE = 20
"""Patches along each side of an image, which is resized to a square."""
FINER = 4
"""Pixels of a mask along each side of a patch."""
CHANNELS = 32
"""Principal components of the features that are kept."""
FITTED = 64
"""Images, evenly spaced, that decide the components."""

Pixels = Callable[[Path], Tensor]
"""Reads an image as uint8 ``[3, H, W]``."""


class Grids(NamedTuple):
    """What the estimates see of N images.

    Attributes:
        features: Principal components of the features, each with a deviation of 1 over the images
            that decide them, float16 ``[N, C, g, g]`` on the CPU.
        masks: Pseudo-masks, 255 times the saliency, uint8 ``[N, 4 g, 4 g]``.
    """

    features: Tensor
    masks: Tensor


class Components(NamedTuple):
    """Principal components of features.

    Attributes:
        mean: Mean of each channel, ``[C]``.
        axes: ``[C, K]``, such that the components of the features have a deviation of 1.
    """

    mean: Tensor
    axes: Tensor

    def of(self, features: Tensor) -> Tensor:
        """Return the components ``[K, g, g]`` of features ``[C, g, g]``, as float16."""
        flat = features.flatten(1).float().T - self.mean
        return (flat @ self.axes).T.reshape(-1, *features.shape[1:]).half()


def fit_components(features: Tensor, count: int = CHANNELS) -> Components:
    """Find the principal components of features whose channels are standardised first.

    Args:
        features: ``[N, C]``.
        count: Number of components; no more than there are channels.
    """
    values = features.double()
    mean, deviation = values.mean(0), values.std(0, correction=0).clamp(min=1e-6)
    standard = (values - mean) / deviation
    powers, axes = torch.linalg.eigh(standard.T @ standard / len(standard))
    powers, axes = powers.flip(0)[:count].clamp(min=1e-6), axes.flip(1)[:, :count]
    return Components(mean.float(), (axes / deviation[:, None] / powers.sqrt()).float())


def read_pixels(path: Path) -> Tensor:
    """Read an image, at most at the working size, as uint8 ``[3, H, W]``.

    Raises:
        ImageError: It cannot be read.
    """
    return torch.from_numpy(at_working_size(read_image(path))).permute(2, 0, 1)


def read_grids(
    samples: Sequence[Sample], store: LabelStore, backbone: Backbone, pixels: Pixels = read_pixels
) -> Grids:
    """Read each image and its pseudo-mask once.

    Args:
        samples: The images, at least one.
        store: Their pseudo-masks.
        backbone: The frozen backbone, on the device that computes the features.
        pixels: Reads an image.

    Raises:
        ImageError: An image or a pseudo-mask cannot be read.
    """
    count = len(samples)
    chosen = sorted({number * count // FITTED for number in range(FITTED)})
    first = {number: _features(pixels(samples[number].image), backbone) for number in chosen}
    components = fit_components(torch.cat([each.flatten(1).T for each in first.values()]))
    features = []
    for number, sample in enumerate(samples):
        own = first.pop(number, None)
        if own is None:
            own = _features(pixels(sample.image), backbone)
        features.append(components.of(own))
    masks = [_mask(store.path(sample.name)) for sample in samples]
    return Grids(torch.stack(features), torch.stack(masks))


@torch.no_grad()
def _features(pixels: Tensor, backbone: Backbone) -> Tensor:
    """Return the features of an image resized to a square, float32 ``[C, g, g]`` on the CPU."""
    square = resize_square(from_levels(pixels)[None], SIDE * backbone.patch_size).clamp(0, 1)
    features: Tensor = backbone(square.to(backbone.mean.device))[0]
    return features.float().cpu()


def _mask(path: Path) -> Tensor:
    return to_levels(resize_square(read_map(path)[None, None], SIDE * FINER)[0, 0])
