"""The terms of PEEKABOO's loss (Zunair & Ben Hamza, BMVC 2024), pure functions of logits.

Notation: z are the logits of an image, z' those of the same image with a part hidden, b and b' the
binarised predictions, and ζ the refinement by the bilateral solver, guided by the whole image.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.losses.saliency import binary_loss, finite_logits, weighted_mean

Consistency = Literal["published", "saliency", "target"]
HiddenTarget = Literal["own", "whole"]


@dataclass(frozen=True)
class TermsConfig:
    """Weights and kinds of the terms; 0 turns a term off.

    Args:
        segmenter: Weight of BCE(z, ζ(b)); published 1.5.
        hidden: Weight of BCE(z', ζ(b')), the masked-feature predictor; published 1.
        consistency: Weight of the predictor consistency; published 1.
        sharpen: Weight of the self-regulariser BCE(z, b); published 4.
        consistency_kind: ``published``: MSE(ζ(b), ζ(b')), which has no gradient, because both are
            binarised. ``saliency``: MSE(σ(z), σ(z')). ``target``: BCE(z', ζ(b)).
        hidden_target: What the hidden part is predicted from: ``own``, the published ζ(b'), or
            ``whole``, the target of the whole image, ζ(b).
    """

    segmenter: float = 1.5
    hidden: float = 1.0
    consistency: float = 1.0
    sharpen: float = 4.0
    consistency_kind: Consistency = "published"
    hidden_target: HiddenTarget = "own"

    def __post_init__(self) -> None:
        """Refuse unknown kinds, naming the field."""
        for field, value, known in (
            ("consistency_kind", self.consistency_kind, get_args(Consistency)),
            ("hidden_target", self.hidden_target, get_args(HiddenTarget)),
        ):
            if value not in known:
                raise SodError(f"terms.{field}: '{value}' is none of {', '.join(known)}")


def consistency_loss(
    logits: Tensor,
    hidden_logits: Tensor,
    targets: Tensor,
    hidden_targets: Tensor,
    kind: Consistency,
) -> Tensor:
    """Ask the predictions of the whole image and of the one with a hidden part to be alike.

    Args:
        logits: z, ``[B, 1, h, w]``.
        hidden_logits: z', ``[B, 1, h, w]``.
        targets: ζ(b), ``[B, 1, h, w]``.
        hidden_targets: ζ(b'), ``[B, 1, h, w]``.
        kind: See :class:`TermsConfig`; ``published`` is a constant without gradient.
    """
    if kind == "published":
        return F.mse_loss(hidden_targets, targets)
    if kind == "target":
        return binary_loss(hidden_logits, targets)
    return F.mse_loss(finite_logits(hidden_logits).sigmoid(), finite_logits(logits).sigmoid())


def sharpen_loss(logits: Tensor, image_weights: Tensor | None = None) -> Tensor:
    """Ask predictions to be sure of themselves: BCE(z, [σ(z) > 1/2]).

    Args:
        logits: z, ``[B, 1, h, w]``.
        image_weights: Trust in the images, ``[B]``.
    """
    # Written so that it needs no target: BCE against one's own sign is log(1 + exp(-|z|)).
    return weighted_mean(F.softplus(-finite_logits(logits).abs()), None, image_weights)


def total_loss(terms: dict[str, Tensor], config: TermsConfig, start_weight: float) -> Tensor:
    """Sum the terms by their weights; a term that is absent counts nothing.

    Args:
        terms: Some of ``segmenter``, ``hidden``, ``consistency``, ``sharpen`` and ``start``.
        config: Their weights.
        start_weight: Weight of the term ``start``.
    """
    weights = {
        "segmenter": config.segmenter,
        "hidden": config.hidden,
        "consistency": config.consistency,
        "sharpen": config.sharpen,
        "start": start_weight,
    }
    return sum(
        (weights[name] * term for name, term in terms.items()), next(iter(terms.values())) * 0
    )
