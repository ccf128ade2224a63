"""Co-saliency without training: what the photos of a group share."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.engine.method import Method
from sod.labels.teachers import build_teacher
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.class_attention import ClassAttention
from sod.nn.consensus import (
    centre_prior,
    consensus,
    drop_strangers,
    group_threshold,
    group_tokens,
    segment,
)
from sod.nn.resize import lanczos_resize, saliency_size

BACKBONE = BackboneConfig(facet="token", block=8)


class CoSaliency(Method):
    """Finds the object that the images of a group have in common.

    Each token is compared with the segments of all other images: salient segments speak for it,
    background segments against it (:func:`sod.nn.consensus.consensus`). The threshold of a group
    comes from its own scores, and components that do not look like the group's foreground are
    dropped. Statistics and component rule follow the facts of US-CoSOD (Chakraborty et al., WACV
    2024) and SCoSPARC (Chakraborty et al., ECCV 2024). A single image is compared with itself.

    Args:
        backbone: The frozen feature extractor; concatenated features are normalised one by one.
        prior: Where objects are expected before the comparison: null for the centre of the image,
            ``attention`` for that of the class token, or a config or checkpoint of any method.
        segments: Segments per image.
        background: Weight of the background segments, at least 0.
        power: Power of a segment's saliency; larger values trust the prior more.
        prior_weight: Weight of the prior in the score, in standard deviations of the group.
        softness: Width of the sigmoid at the threshold, in standard deviations of the group.
        similar: A component stays if its likeness to the group's foreground is at least this share
            of the image's best; 0 keeps all.
        max_tokens: Larger images are resized to at most this number of tokens.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        prior: str | None = None,
        segments: int = 8,
        background: float = 0.25,
        power: float = 2.0,
        prior_weight: float = 0.5,
        softness: float = 0.3,
        similar: float = 0.9,
        max_tokens: int = 1600,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if segments < 1 or softness <= 0:
            raise SodError("segments has to be at least 1, and softness above 0")
        self.config, self.backbone = backbone, build_backbone(backbone)
        self.prior, self.segments, self.background, self.power = prior, segments, background, power
        self.prior_weight, self.softness, self.similar = prior_weight, softness, similar
        self.max_tokens = max_tokens
        # In a list, so that another method's weights are neither trained nor stored.
        self._prior: list[Method | ClassAttention] = []

    @classmethod
    def reads_groups(cls) -> bool:
        """Return True."""
        return True

    def saliency(self, images: Tensor) -> Tensor:
        """Return the saliency of each image compared with itself alone."""
        return torch.stack([self.group_saliency([image])[0] for image in images])

    @torch.no_grad()
    @full_precision_region
    def group_saliency(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Return the saliency of the images of one group, compared with each other."""
        features = [self.features(image) for image in images]
        priors = [
            self.prior_map(image, (each.shape[-2], each.shape[-1]))
            for image, each in zip(images, features, strict=True)
        ]
        logits = self.patch_logits(features, priors)
        return [
            F.interpolate(each[None, None], tuple(image.shape[-2:]), mode="bilinear")[0].sigmoid()
            for each, image in zip(logits, images, strict=True)
        ]

    def patch_logits(self, features: Sequence[Tensor], priors: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits of the patches of a group.

        Args:
            features: Per image ``[C, h, w]``.
            priors: Per image ``[h, w]`` in [0, 1].

        Returns:
            Per image ``[h, w]``, positive for what the group shares.
        """
        return self.token_logits(self.tokens(features), priors)

    def token_logits(self, tokens: Sequence[Tensor], priors: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits as :meth:`patch_logits`, given unit vectors ``[h·w, C]`` per image."""
        flat = [prior.flatten().to(own) for prior, own in zip(priors, tokens, strict=True)]
        parts = [segment(t, p, self.segments) for t, p in zip(tokens, flat, strict=True)]
        scores = consensus(tokens, parts, self.background, self.power)
        spread = torch.cat(scores).std(correction=0).clamp(min=1e-6)
        combined = [
            score / spread + self.prior_weight * prior
            for score, prior in zip(scores, flat, strict=True)
        ]
        threshold = group_threshold(combined)
        logits = [
            ((score - threshold) / self.softness).view(prior.shape)
            for score, prior in zip(combined, priors, strict=True)
        ]
        return drop_strangers(logits, tokens, self.similar)

    def tokens(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return comparable tokens of each image, unit vectors ``[h·w, C]``."""
        return group_tokens(features, self.backbone.widths)

    def features(self, image: Tensor) -> Tensor:
        """Return the features ``[C, h, w]`` of an image ``[3, H, W]``."""
        with torch.no_grad():
            features: Tensor = self.backbone(self._resized(image))[0]
        return features

    def prior_map(self, image: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return where objects are expected in an image ``[3, H, W]``, ``[h, w]`` in [0, 1]."""
        if self.prior is None:
            return centre_prior(grid).to(image.device)
        if not self._prior:
            attention = self.prior == "attention"
            self._prior = [ClassAttention(self.config) if attention else build_teacher(self.prior)]
        with torch.no_grad():
            if isinstance(self._prior[0], ClassAttention):
                map_ = self._prior[0].maps(self._resized(image))[:, None]
            else:
                map_ = self._prior[0].to(image.device).eval().saliency(image[None])
        return F.interpolate(map_.float(), grid, mode="area")[0, 0]

    def portable(self) -> dict[str, Any]:
        """Return a portable checkpoint.

        Raises:
            SodError: The prior is another file's method.
        """
        if self.prior not in (None, "attention"):
            raise SodError(
                f"{type(self).__name__}: model.prior {self.prior} is another model, which the "
                "exported file could not hold: export that one too, and use both."
            )
        return super().portable()

    def is_traceable(self) -> bool:
        """Return False: segments and thresholds are found by loops over a group of images."""
        return False

    def _resized(self, image: Tensor) -> Tensor:
        """Return an image ``[3, H, W]`` as ``[1, 3, H', W']`` in multiples of the patch."""
        patch = self.backbone.patch_size
        height, width = image.shape[-2:]
        factor = min(1.0, (self.max_tokens * patch**2 / (height * width)) ** 0.5)
        size = saliency_size(round(height * factor), round(width * factor), patch)
        return lanczos_resize(image[None], size)
