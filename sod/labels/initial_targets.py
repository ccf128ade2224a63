"""Initial targets: label-free masks to train on before a head has predictions of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.labels.score import image_weights
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.found import FoundBackground
from sod.refinement import BilateralGrid, refine_targets
from sod.refinement.targets import Downsample
from sod.spectral import normalized_cuts
from sod.spectral.masks import cleaned_component

Kind = Literal["none", "found", "tokencut"]
When = Literal["start", "collapse"]
Role = Literal["term", "targets"]


@dataclass(frozen=True)
class InitialTargetsConfig:
    """Where the first training targets come from.

    Args:
        kind: ``none`` (published PEEKABOO: the head's own random prediction), ``found`` (all but
            FOUND's background) or ``tokencut`` (the object of a normalized cut of the backbone's
            first features).
        steps: Optimiser steps for which they are used; null: the whole training.
        when: From the ``start``, or only after a ``collapse`` that made the guard restart.
        role: ``term``: a loss term of its own, as in FOUND; ``targets``: they replace the targets
            of the segmenter and of the masked image, and the sharpening term is off meanwhile.
        weight: Weight of the term.
        tau: Threshold on the cosine of two features; TokenCut publishes 0.2, FOUND 0.3.
        weight_images: Weight images by the contrast of their refined masks.
        clean_up: Reassign the tokens to the mean features of object and rest after the cut.
    """

    kind: Kind = "none"
    steps: int | None = 100
    when: When = "start"
    role: Role = "term"
    weight: float = 1.0
    tau: float = 0.3
    weight_images: bool = False
    clean_up: bool = False

    def __post_init__(self) -> None:
        """Reject unknown names."""
        for field, value, known in (
            ("kind", self.kind, get_args(Kind)),
            ("when", self.when, get_args(When)),
            ("role", self.role, get_args(Role)),
        ):
            if value not in known:
                raise SodError(f"initial_targets.{field}: '{value}' is none of {', '.join(known)}")


def tokencut_masks(features: Tensor, tau: float, clean_up: bool = False) -> Tensor:
    """Return TokenCut's object of each image, the component of the seed.

    Args:
        features: ``[B, C, h, w]``.
        tau: Threshold on the cosine similarity.
        clean_up: Clean the cut up by two centroids.

    Returns:
        Bool ``[B, 1, h, w]``; empty where nothing stands out.
    """
    pairs = zip(normalized_cuts(features, tau), features, strict=True)
    objects = [cleaned_component(cut, each) if clean_up else cut.component for cut, each in pairs]
    return torch.stack(objects)[:, None]


class InitialTargets:
    """The initial targets of the images of a training.

    Args:
        config: Where they come from.
        downsample: How a refined mask becomes a target per patch.
        backbone: Configuration of the backbone, from which FOUND's background is computed.
        stored: The backbone came with a checkpoint, and no file has its weights.
    """

    def __init__(
        self,
        config: InitialTargetsConfig,
        downsample: Downsample,
        backbone: BackboneConfig,
        stored: bool,
    ) -> None:
        self.config, self.downsample = config, downsample
        self._backbone, self._stored = backbone, stored
        self._found: FoundBackground | None = None

    @full_precision_region
    def masks(self, backbone: Backbone, images: Tensor, features: Tensor) -> Tensor:
        """Return the masks, bool ``[B, 1, h, w]``.

        Args:
            backbone: The frozen backbone.
            images: ``[B, 3, H, W]``.
            features: Of the images.

        Raises:
            SodError: FOUND's background needs weights that an exported model does not have.
        """
        if self.config.kind == "found":
            return self._found_background().masks(images, self.config.tau)
        first = features[:, : backbone.widths[0]].float()
        return tokencut_masks(first, self.config.tau, self.config.clean_up)

    def refined(
        self,
        backbone: Backbone,
        images: Tensor,
        features: Tensor,
        grid: Callable[[], BilateralGrid],
    ) -> tuple[Tensor, Tensor]:
        """Return the refined targets ``[B, 1, h, w]`` and the weights of the images ``[B]``.

        They depend on the image alone: a cache of features keeps them too.

        Args:
            backbone: The frozen backbone.
            images: ``[B, 3, H, W]``.
            features: Of the images.
            grid: Builds their bilateral grids.
        """
        if backbone.cache is None:
            rows = self._rows(self.masks(backbone, images, features), grid())
        else:
            kind = f"initial targets {self.config} {self.downsample} {self._backbone}"
            rows = backbone.cache.recall(images, kind, lambda new: self._of_new(backbone, new))
        height, width = features.shape[-2:]
        return rows[:, :-1].view(len(rows), 1, height, width), rows[:, -1]

    @torch.no_grad()
    def _of_new(self, backbone: Backbone, images: Tensor) -> Tensor:
        masks = self.masks(backbone, images, backbone.features(images))
        return self._rows(masks, BilateralGrid(images))

    def _rows(self, masks: Tensor, grid: BilateralGrid) -> Tensor:
        """Return the targets of all patches and the weight of each image, in one row each."""
        targets, _, soft = refine_targets(grid, masks, self.downsample)
        return torch.cat([targets.flatten(1), image_weights(soft)[:, None].to(targets)], 1)

    def _found_background(self) -> FoundBackground:
        """Build it when it is needed: prediction never uses it."""
        if self._backbone.weights is None and self._stored:
            raise SodError(
                "initial_targets.kind: 'found' needs more of the backbone than an exported model "
                "has: give --model.backbone.weights FILE, or --model.initial_targets.kind tokencut "
                "(or none)."
            )
        self._found = self._found or FoundBackground(self._backbone)
        return self._found
