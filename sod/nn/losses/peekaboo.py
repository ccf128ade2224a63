"""The terms of PEEKABOO's loss (Zunair & Ben Hamza, BMVC 2024), as pure functions of logits.

Notation: z are the logits of an image, z' those of the masked image, b and b' the binarised
predictions, and ζ the refinement by the bilateral solver, guided by the unmasked image.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.losses.saliency import binary_loss, weighted_mean
from sod.nn.precision import finite_logits
from sod.refinement import BilateralGrid

Consistency = Literal["published", "saliency", "target"]
MaskedTarget = Literal["own", "whole"]


@dataclass(frozen=True)
class Views:
    """A training batch as the loss needs it.

    Args:
        images: ``[B, 3, H, W]``, sides multiples of the patch size.
        masked_images: The same with a part of each masked; ``images`` itself without masking.
        features: Of the images, ``[B, C, h, w]``.
        logits: Of the images, ``[B, 1, h, w]``.
        masked_logits: Of the masked images, ``[B, 1, h, w]``.
    """

    images: Tensor
    masked_images: Tensor
    features: Tensor
    logits: Tensor
    masked_logits: Tensor

    @cached_property
    def grid(self) -> BilateralGrid:
        """The bilateral grids of the images, built when they are needed first."""
        return BilateralGrid(self.images)


@dataclass(frozen=True)
class TermsConfig:
    """Weights and variants of the loss terms; a weight of 0 turns a term off.

    Args:
        segmenter: Weight of BCE(z, ζ(b)); published 1.5.
        masked: Weight of BCE(z', ζ(b')), the predictor on the masked image; published 1.
        consistency: Weight of the predictor consistency; published 1.
        sharpen: Weight of the self-regulariser BCE(z, b); published 4.
        consistency_kind: ``published``: MSE(ζ(b), ζ(b')), which has no gradient because both are
            binarised. ``saliency``: MSE(σ(z), σ(z')). ``target``: BCE(z', ζ(b)).
        masked_target: Target of the masked image: ``own``, the published ζ(b'), or ``whole``, the
            target of the unmasked image, ζ(b).
    """

    segmenter: float = 1.5
    masked: float = 1.0
    consistency: float = 1.0
    sharpen: float = 4.0
    consistency_kind: Consistency = "published"
    masked_target: MaskedTarget = "own"

    def __post_init__(self) -> None:
        """Raise an error that names the field of an unknown variant."""
        for field, value, known in (
            ("consistency_kind", self.consistency_kind, get_args(Consistency)),
            ("masked_target", self.masked_target, get_args(MaskedTarget)),
        ):
            if value not in known:
                raise SodError(f"terms.{field}: '{value}' is none of {', '.join(known)}")


def consistency_loss(
    logits: Tensor,
    masked_logits: Tensor,
    targets: Tensor,
    masked_targets: Tensor,
    kind: Consistency,
) -> Tensor:
    """Compute the consistency of the predictions for the unmasked and the masked image.

    Args:
        logits: z, ``[B, 1, h, w]``.
        masked_logits: z', ``[B, 1, h, w]``.
        targets: ζ(b), ``[B, 1, h, w]``.
        masked_targets: ζ(b'), ``[B, 1, h, w]``.
        kind: Variant, see :class:`TermsConfig`; ``published`` is a constant without gradient.
    """
    if kind == "published":
        return F.mse_loss(masked_targets, targets)
    if kind == "target":
        return binary_loss(masked_logits, targets)
    return F.mse_loss(finite_logits(masked_logits).sigmoid(), finite_logits(logits).sigmoid())


def sharpen_loss(logits: Tensor, image_weights: Tensor | None = None) -> Tensor:
    """Compute the self-regulariser BCE(z, [σ(z) > 1/2]), which favours confident predictions.

    Args:
        logits: z, ``[B, 1, h, w]``.
        image_weights: Weights of the images, ``[B]``, or None.
    """
    # No explicit target is needed: BCE against the sign of z is log(1 + exp(-|z|)).
    return weighted_mean(F.softplus(-finite_logits(logits).abs()), None, image_weights)


def total_loss(terms: dict[str, Tensor], config: TermsConfig, initial_weight: float) -> Tensor:
    """Return the weighted sum of the terms that are present.

    Args:
        terms: Some of ``segmenter``, ``masked``, ``consistency``, ``sharpen`` and ``initial``.
        config: Weights of the terms.
        initial_weight: Weight of the term ``initial``.
    """
    weights = {
        "segmenter": config.segmenter,
        "masked": config.masked,
        "consistency": config.consistency,
        "sharpen": config.sharpen,
        "initial": initial_weight,
    }
    return sum(
        (weights[name] * term for name, term in terms.items()), next(iter(terms.values())) * 0
    )
