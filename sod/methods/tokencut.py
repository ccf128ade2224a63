"""TokenCut: the normalized cut of a graph of self-supervised tokens (Wang et al., CVPR 2022)."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.engine.method import Method
from sod.nn.backbones.build import BackboneConfig
from sod.nn.initial_masks import build_cut_backbone, initial_masks
from sod.nn.resize import discovery_pad, lanczos_resize, saliency_size, working_size
from sod.spectral import Graph
from sod.spectral.masks import MasksConfig
from sod.tuning.choice import Tuned

BACKBONE, MASKS = BackboneConfig(), MasksConfig()


class TokenCut(Method):
    """Training-free: the normalized cut of the graph of similar tokens.

    The object is the connected component, in the foreground side of the cut, of the token with the
    largest absolute value in the second eigenvector (arXiv 2202.11539, sections 3.2 and 3.3).

    Args:
        backbone: The frozen feature extractor.
        tau: Tokens are connected if the cosine of their features is above it.
        eps: Weight of the edges below tau; it keeps the graph connected and must be above 0.
        graph: ``binary`` edges (1 or eps), or ``weighted`` by the cosine above tau.
        resize: ``saliency``: the image is resized to the nearest multiple of the patch, as the
            paper does for saliency; ``discovery``: it is padded, as for object discovery.
        scale: Factor on the image's size before the features; 1 is the published size.
        max_tokens: Larger images are resized to at most this number of tokens, which bounds time
            and memory (about 13 bytes times its square up to 8,192 tokens; above, the graph is cut
            without its matrix, in less than 100 MB). Benchmark images have fewer.
        masks: How a cut becomes a mask, beyond the published way.
    """

    concurrent = True

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        tau: float = 0.2,
        eps: float = 1e-5,
        graph: Graph = "binary",
        resize: Literal["saliency", "discovery"] = "saliency",
        scale: float = 1.0,
        max_tokens: int = 6400,
        masks: MasksConfig = MASKS,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone = build_cut_backbone(backbone, masks)
        self.tau = tau
        self.eps = eps
        self.graph: Graph = graph
        self.resize: Literal["saliency", "discovery"] = resize
        self.scale = scale
        self.max_tokens = max_tokens
        self.masks = masks

    @classmethod
    def tuned_arguments(cls, tuned: Tuned) -> dict[str, Any]:
        """Return the feature that is cut, its threshold, and how the cut becomes a mask."""
        arguments = {"backbone": tuned.backbone_arguments(), "tau": tuned.tau}
        return arguments | ({"masks": tuned.masks} if tuned.masks else {})

    @full_precision_region
    def saliency(self, images: Tensor) -> Tensor:
        """Return the seed's component, resized to the images by nearest neighbour.

        Returns:
            ``[B, 1, H, W]``, 0 or 1; with further scales or configurations the mean of all masks.
        """
        masks = [
            mask
            for factor in (1.0, *self.masks.scales)
            for mask in self._masks(images, self.scale * factor)
        ]
        return masks[0] if len(masks) == 1 else torch.stack(masks).mean(0)

    def is_traceable(self) -> bool:
        """Return False: eigenvectors are computed iteratively, and components by a search."""
        return False

    def _masks(self, images: Tensor, scale: float) -> Iterator[Tensor]:
        """Yield the masks at a scale, by the configured feature and by those that vote."""
        size = images.shape[-2:]
        prepared = self._prepare(images, scale)
        found = initial_masks(self.backbone, prepared, self.tau, self.masks, self.eps, self.graph)
        for patches in found:
            if self.resize == "saliency":
                yield F.interpolate(patches, size, mode="nearest")
            else:
                full = F.interpolate(patches, prepared.shape[-2:], mode="nearest")
                yield full[..., : size[0], : size[1]]

    def _prepare(self, images: Tensor, scale: float) -> Tensor:
        patch = self.backbone.patch_size
        height, width = working_size(
            images.shape[-2], images.shape[-1], patch, scale, self.max_tokens
        )
        if self.resize == "saliency":
            return lanczos_resize(images, saliency_size(height, width, patch))
        if (height, width) != tuple(images.shape[-2:]):
            images = lanczos_resize(images, (height, width))
        return discovery_pad(images, patch, self.backbone.mean)
