"""The features that trained heads see, chosen without masks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.builders import BUILDERS, EXTRAS
from sod.nn.backbones.taps import Tap
from sod.nn.resize import lanczos_resize, saliency_size, working_size
from sod.tuning.consensus import overlaps
from sod.tuning.heads import Head, crossed_heads

MARGIN = 0.005
"""Features are only added for a gain above this."""


class Example(NamedTuple):
    """An image as light heads see it.

    Attributes:
        features: Of each candidate feature by its name, ``[N, C]`` in float16.
        target: The chosen cut, bool ``[h, w]``, N tokens.
        vote: The refined vote of all configurations, bool ``[H, W]``.
    """

    features: dict[str, Tensor]
    target: Tensor
    vote: Tensor


def candidate_extras(name: str, base: Tap, taps: Sequence[Tap]) -> dict[str, list[str]]:
    """Return sets of extra features to compare, by a description.

    Args:
        name: The backbone's name.
        base: The feature that is cut; it is in no set.
        taps: All features of the backbone.

    Returns:
        The first set is empty; no two are equal.
    """
    if name in BUILDERS:
        sets = {"none": [], **{extra: [extra] for extra in EXTRAS.get(name, ())}}
    else:
        blocks = sorted({tap.block for tap in taps})
        depth = len(blocks)
        spaced = [blocks[round(share * (depth - 1))] for share in (0.35, 0.55, 0.75, 0.9)]
        late = [block for block in blocks if block > depth // 2]
        facets = [str(tap) for tap in taps if tap.block == base.block]
        tokens = [f"token.{block}" for block in dict.fromkeys(spaced)]
        sets = {
            "none": [],
            "the other facets of its block": facets,
            "spaced blocks": tokens,
            "both": [*facets, *tokens],
            "the last block": [f"token.{blocks[-1]}"],
            "the second half of the blocks": [f"token.{block}" for block in late],
            "all blocks": [f"token.{block}" for block in blocks],
        }
    distinct: dict[str, list[str]] = {}
    for description, entries in sets.items():
        kept = [entry for entry in dict.fromkeys(entries) if entry != str(base)]
        if kept not in distinct.values():
            distinct[description] = kept
    return distinct


class FeatureReader:
    """Reads the features of images that heads could see.

    Args:
        config: The backbone with the feature that is cut.
        extras: Further features.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbone.
    """

    def __init__(
        self, config: BackboneConfig, extras: Sequence[str], max_tokens: int, device: str
    ) -> None:
        self.names = [f"{config.facet}.{config.block}", *extras]
        self.backbone = build_backbone(replace(config, extra_features=list(extras))).to(device)
        self.max_tokens = max_tokens

    @torch.inference_mode()
    def read(self, image: Tensor) -> dict[str, Tensor]:
        """Return the features ``[N, C]`` of an image ``[3, H, W]`` by name, as float16."""
        patch = self.backbone.patch_size
        size = working_size(image.shape[-2], image.shape[-1], patch, max_tokens=self.max_tokens)
        resized = lanczos_resize(image[None], saliency_size(*size, patch))
        features = self.backbone(resized.to(self.backbone.mean.device))[0].flatten(1).T
        parts = features.split(self.backbone.widths, 1)
        return {n: p.half().cpu().clone() for n, p in zip(self.names, parts, strict=True)}


def held_out_scores(examples: Sequence[Example], names: Sequence[str]) -> Tensor:
    """Return how well heads find the objects of images that they have not seen.

    Two heads are trained on the chosen cuts of either half of the images, and each predicts the
    other half. Its prediction is compared with the refined vote, which no head has seen.

    Args:
        examples: The images, at least two.
        names: The features that the heads see.

    Returns:
        IoU of each image, ``[n]``.
    """
    features = [torch.cat([each.features[name] for name in names], 1) for each in examples]
    heads = crossed_heads(features, [each.target.flatten() for each in examples])
    return torch.stack(
        [
            _overlap(heads[number % 2], features[number], each)
            for number, each in enumerate(examples)
        ]
    )


def _overlap(head: Head, features: Tensor, example: Example) -> Tensor:
    found = (head.logits(features) > 0).view(1, *example.target.shape)
    return overlaps(found, example.vote)[0]


def best_extras(scores: Mapping[str, float]) -> str:
    """Return the description with the best score, or the first if none is clearly better."""
    first = next(iter(scores))
    best = max(scores, key=lambda description: scores[description])
    return best if scores[best] > scores[first] + MARGIN else first
