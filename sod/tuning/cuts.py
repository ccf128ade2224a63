"""The cuts of an image by all configurations, after one pass of the backbone."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile
from zlib import error

import numpy as np
import torch
from torch import Tensor

from sod.core.files import atomic_file
from sod.nn.backbones.base import Backbone
from sod.nn.resize import lanczos_resize, saliency_size, working_size
from sod.spectral import threshold_sweep


class ImageCuts(NamedTuple):
    """The cuts of one image.

    Attributes:
        masks: The object of each configuration on the grid of tokens, bool ``[K, h, w]``.
        size: Height and width of the image in pixels.
    """

    masks: Tensor
    size: tuple[int, int]


@torch.inference_mode()
def cut_image(
    backbone: Backbone, image: Tensor, taus: Sequence[float], max_tokens: int
) -> ImageCuts:
    """Cut an image by each feature of a backbone at each threshold.

    The image is resized as by TokenCut for saliency.

    Args:
        backbone: A backbone whose ``widths`` are those of the features.
        image: RGB in [0, 1], ``[3, H, W]``.
        taus: Thresholds on the cosine similarity.
        max_tokens: Larger images are resized to at most this number of tokens.

    Returns:
        The cuts, feature by feature, on the CPU.
    """
    size = (image.shape[-2], image.shape[-1])
    working = working_size(*size, backbone.patch_size, max_tokens=max_tokens)
    resized = lanczos_resize(image[None], saliency_size(*working, backbone.patch_size))
    features = backbone(resized.to(backbone.mean.device))[0]
    masks = [
        cut.component
        for feature in features.split(backbone.widths)
        for cut in threshold_sweep(feature, taus)
    ]
    return ImageCuts(torch.stack(masks), size)


def write_cuts(cuts: ImageCuts, path: Path) -> None:
    """Write the cuts of an image, one bit per token, completely or not at all.

    Raises:
        SodError: The file cannot be written.
    """
    count, *grid = cuts.masks.shape
    bits = np.packbits(cuts.masks.flatten(1).numpy(), axis=1)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, bits=bits, grid=grid, size=cuts.size, count=count)


def read_cuts(path: Path) -> ImageCuts | None:
    """Read the cuts of an image; None if the file is absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as content:
            height, width = (int(side) for side in content["grid"])
            bits = np.unpackbits(content["bits"], axis=1, count=height * width)
            masks = torch.from_numpy(bits).bool().view(int(content["count"]), height, width)
            return ImageCuts(masks, (int(content["size"][0]), int(content["size"][1])))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, error):
        return None
