"""The masks of images by normalized cuts, with the options of :class:`MasksConfig`."""

from dataclasses import replace

import torch
from torch import Tensor

from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.object_heads import ObjectHeads
from sod.spectral import Graph, normalized_cuts
from sod.spectral.masks import MasksConfig, cleaned_component


def build_cut_backbone(config: BackboneConfig, masks: MasksConfig) -> Backbone:
    """Build the backbone whose features are cut, with those that vote or with selected heads.

    Raises:
        SodError: The backbone cannot be built, or has no heads to select from.
    """
    if masks.select_heads:
        return ObjectHeads(config)
    if masks.vote:
        config = replace(config, extra_features=[feature for feature, _ in masks.voters])
    return build_backbone(config)


def initial_masks(
    backbone: Backbone,
    images: Tensor,
    tau: float,
    masks: MasksConfig,
    eps: float = 1e-5,
    graph: Graph = "binary",
) -> list[Tensor]:
    """Return the objects of images by the configured feature, and by each that votes.

    Args:
        backbone: As :func:`build_cut_backbone` builds it.
        images: RGB in [0, 1], ``[B, 3, H, W]``, sides that are multiples of the patch.
        tau: Threshold on the cosine similarity.
        masks: How a cut becomes a mask; ``scales`` has no effect here.
        eps: Weight of the edges below tau.
        graph: ``binary`` or ``weighted`` edges.

    Returns:
        Masks on the grid of tokens, 0 or 1, ``[B, 1, h, w]`` each.
    """
    features = backbone(images)
    parts = features.split(backbone.widths, 1) if masks.vote else [features]
    taus = [tau, *(other for _, other in masks.voters)]
    return [
        _objects(part, each, masks.clean_up, eps, graph)
        for part, each in zip(parts, taus, strict=True)
    ]


def _objects(features: Tensor, tau: float, clean_up: bool, eps: float, graph: Graph) -> Tensor:
    cuts = normalized_cuts(features, tau, eps, graph)
    objects = [cut.component for cut in cuts]
    if clean_up:
        pairs = zip(cuts, features, strict=True)
        objects = [cleaned_component(cut, feature) for cut, feature in pairs]
    return torch.stack(objects)[:, None].float()
