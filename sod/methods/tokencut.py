"""TokenCut: the normalized cut of a graph of self-supervised tokens (Wang et al., CVPR 2022)."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.engine.method import Method
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.resize import discovery_pad, lanczos_resize, saliency_size, working_size
from sod.spectral import normalized_cuts
from sod.tuning.choice import Tuned

BACKBONE = BackboneConfig()


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
        max_tokens: Larger images are resized to at most this number of tokens, which bounds memory
            (about 13 bytes times its square). Benchmark images have fewer.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        tau: float = 0.2,
        eps: float = 1e-5,
        graph: Literal["binary", "weighted"] = "binary",
        resize: Literal["saliency", "discovery"] = "saliency",
        scale: float = 1.0,
        max_tokens: int = 6400,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone = build_backbone(backbone)
        self.tau = tau
        self.eps = eps
        self.graph: Literal["binary", "weighted"] = graph
        self.resize: Literal["saliency", "discovery"] = resize
        self.scale = scale
        self.max_tokens = max_tokens

    @classmethod
    def tuned_arguments(cls, tuned: Tuned) -> dict[str, Any]:
        """Return the feature that is cut and its threshold."""
        return {"backbone": tuned.backbone_arguments(), "tau": tuned.tau}

    @full_precision_region
    def saliency(self, images: Tensor) -> Tensor:
        """Return the seed's component, 0 or 1, resized to the images by nearest neighbour."""
        size = images.shape[-2:]
        prepared = self._prepare(images)
        cuts = normalized_cuts(self.backbone(prepared), self.tau, self.eps, self.graph)
        patches = torch.stack([cut.component for cut in cuts])[:, None].float()
        if self.resize == "saliency":
            return F.interpolate(patches, size, mode="nearest")
        full = F.interpolate(patches, prepared.shape[-2:], mode="nearest")
        return full[..., : size[0], : size[1]]

    def is_traceable(self) -> bool:
        """Return False: eigenvectors are computed iteratively, and components by a search."""
        return False

    def _prepare(self, images: Tensor) -> Tensor:
        patch = self.backbone.patch_size
        height, width = working_size(
            images.shape[-2], images.shape[-1], patch, self.scale, self.max_tokens
        )
        if self.resize == "saliency":
            return lanczos_resize(images, saliency_size(height, width, patch))
        if (height, width) != tuple(images.shape[-2:]):
            images = lanczos_resize(images, (height, width))
        return discovery_pad(images, patch, self.backbone.mean)
